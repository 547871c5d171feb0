import Foundation
@testable import Peergraph
@testable import PeergraphCore
import Testing

/// Record changes are read by hand, for speed: as generated code reads them.
@Suite struct PackedTests {
    private func read(_ stream: NativeStream) throws -> [Event] {
        let data = stream.drain(max: 512)
        var (slow, reader): ([Event], (data: Data, offset: Data.Index)) = ([], (data, 4))
        while reader.offset < data.count { slow.append(try FfiConverterTypeEvent.read(from: &reader)) }
        #expect(eventsPacked(data) == slow)
        return slow
    }

    @Test func recordsAreReadAsGeneratedCodeReadsThem() async throws {
        let (node, other) = (try await node(), try await node())
        let graph = try await node.createGraph("packed")
        try await graph.listen()
        let far = try await other.join(try await graph.ticket())
        let all = EventFilter()
        let streams = try [graph, far].map { try $0.native.subscribe(filter: all, start: .now, capacity: nil) }
        let record = try await graph.publish(
            "t", Data(repeating: 1, count: 3000), attributes: [
                "text": "ä", "whole": -5, "float": 2.5, "flag": true, "at": .time(value: Date(timeIntervalSince1970: 1.5)),
                "bytes": .bytes(value: Data([0, 255])), "list": .several(values: [.text(value: "a"), .integer(value: 1)]),
            ], expires: Date().addingTimeInterval(3600))
        try await eventually("it is there") { try await far.get(record.id) != nil }
        // Two versions that know nothing of each other.
        try await other.pause()
        try await graph.update(record.id, body: Data("here".utf8))
        try await far.update(record.id, body: Data("there".utf8))
        try await other.resume()
        try await eventually("both have the same") {
            let (one, two) = (try await graph.get(record.id), try await far.get(record.id))
            return one == two && one?.version == 2
        }
        try await graph.delete(record.id)
        try await eventually("it is deleted") { try await far.get(record.id) == nil }
        let told = try streams.flatMap { try read($0) }
        let conflicts = told.filter { if case .recordChanged(_, _, _, .some, _) = $0 { true } else { false } }
        #expect(conflicts.count >= 1 && told.contains { if case .recordChanged(.deleted, _, _, _, _) = $0 { true } else { false } })
        #expect(Set(told.map(\.kind)).isSuperset(of: ["record_changed", "neighbor_connection", "status_changed"]))
        try await graph.publish("t", "")
        #expect(try streams.map { try read($0).isEmpty } != [true, true])
        #expect(streams[0].take(max: 1).isEmpty)
        await other.shutdown()
        await node.shutdown()
    }

    @Test func idsOfEveryLengthKeepTheirBytes() {
        for count in [0, 15, 16, 17, 31, 32, 33] {
            let bytes = Data((0..<count).map { UInt8(($0 * 7 + 130) % 256) })
            #expect(PeerId(bytes: bytes).bytes == bytes && PeerId(bytes: bytes) == PeerId(bytes: bytes))
            #expect(PeerId(bytes: bytes[...]).description == bytes.map { String(format: "%02x", $0) }.joined())
        }
        let (less, more) = (PeerId(bytes: Data(repeating: 1, count: 32)), PeerId(bytes: Data(repeating: 2, count: 32)))
        #expect(less < more && less != more && Set([less, more, less]).count == 2)
    }
}

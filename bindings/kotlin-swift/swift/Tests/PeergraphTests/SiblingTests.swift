import Foundation
import Testing

@testable import Peergraph

/// C48: a message names nothing that only another language has: paths and values of Rust, names as Python writes them. What was
/// given is repeated in quotes, and files as they are.
func isForeign(_ message: String) -> Bool {
    let given = #"("[^"]*"|'[^']*'|/\S+)"#
    let foreign = #"::|\b(Some|None|Ok|Err)\b|\b(Vec|Option|Result)<|\bDuration\b|&str|\b[iu](8|16|32|64|size)\b|[a-z]_[a-z]|\{\w*:?\??\}"#
    let words = message.replacingOccurrences(of: given, with: "", options: .regularExpression)
    return words.range(of: foreign, options: .regularExpression) != nil
}

/// Findings of the core and of other languages, as they show here: `c` of the core, `n` of Node.
@Suite struct SiblingTests {
    private func folder() -> URL { FileManager.default.temporaryDirectory.appendingPathComponent(UUID().uuidString) }

    private func grouped(_ node: Node) async throws -> (GraphId, EventStream) {
        let group = try await node.createGroup("dropped")
        let other = try await node.openGroup(group.id)
        let events = try other.events(EventFilter(.recordChanged))
        try await other.publish("t", "one")
        return (group.id, events)
    }

    private func heard(_ node: Node) async throws -> GraphId {
        let (id, events) = try await grouped(node)
        try await node.networkChanged()
        #expect(node.openGraphs.map(\.id) == [id], "a stream keeps it open")
        let text = try await soon(events).text
        #expect(text == "one")
        return id
    }

    @Test func k7_aGroupThatNobodyHasIsClosedAndOpensAgain() async throws {
        let dir = folder()
        defer { try? FileManager.default.removeItem(at: dir) }
        var config = NodeConfig.loopback()
        config.dataDir = dir
        let node = try await Node.start(config)
        let id = try await heard(node)
        try await eventually("it is closed") { node.openGraphs.isEmpty }
        for _ in 0..<3 {
            let texts = try await node.openGroup(id).records(ListQuery(recordType: "t")).all().map(\.bodyText)
            #expect(texts == ["one"])
        }
        try await eventually("it is closed again") { node.openGraphs.isEmpty }
        // Opening that is given up.
        for _ in 0..<5 {
            let opening = Task { _ = try await node.openGroup(id) }
            opening.cancel()
            _ = await opening.result
        }
        try await eventually("none stays open") { node.openGraphs.isEmpty }
        await node.shutdown()
    }

    @Test func c6_aPageEndsAtASizeAndIsCountedWhenItIsAskedFor() async throws {
        let node = try await node()
        let graph = try await node.createGraph("pages")
        for number in 0..<12 { try await graph.publish("t", Data(repeating: UInt8(number), count: 900_000)) }
        var pages: [[Record]] = []
        for try await page in graph.records(ListQuery(recordType: "t")) { pages.append(page) }
        #expect(pages.count > 1 && pages.allSatisfy { $0.reduce(0) { $0 + $1.body.count } <= 5 << 20 }, "\(pages.map(\.count))")
        #expect(pages.joined().map { $0.body.first } == (0..<12).map { UInt8($0) })
        // Counting all of them again for each page is what made a page of a large database slow.
        let uncounted = try await graph.list(ListQuery(recordType: "t")).total
        let counted = try await graph.list(ListQuery(recordType: "t", limit: 1, count: true)).total
        let none = try await graph.list(ListQuery(recordType: "none", count: true)).total
        #expect(uncounted == nil && counted == 12 && none == 0)
        await node.shutdown()
    }

    @Test func n12_cancellingEndsTheWaitForTheSourceOfAKey() async throws {
        let dir = folder()
        defer { try? FileManager.default.removeItem(at: dir) }
        var config = NodeConfig.loopback()
        config.dataDir = dir
        let (asked, telling) = AsyncStream.makeStream(of: Void.self)
        config.keySource = {
            telling.yield()
            try await Task.sleep(for: .seconds(3600))
            return Data(count: 32)
        }
        let opening = Task { [config] in try await Node.start(config) }
        for await _ in asked { break }
        opening.cancel()
        let ended = try await within(patience, "the start") { await opening.result }
        do {
            _ = try ended.get()
            Issue.record("it was opened")
        } catch {
            #expect((error as? PeergraphError)?.kind == "Cancelled", "\(error)")
        }
        // Nothing began: the folder is free.
        config.keySource = nil
        let node = try await Node.start(config)
        #expect(try node.storedGroups().isEmpty)
        await node.shutdown()
    }

    @Test func c48_messagesNameNothingOfOtherLanguages() async throws {
        let dir = folder()
        defer { try? FileManager.default.removeItem(at: dir) }
        func sealed(_ keys: KeyProtection, source: (@Sendable () async throws -> Data)? = nil) -> NodeConfig {
            var config = NodeConfig.loopback()
            (config.dataDir, config.keyProtection, config.keySource) = (dir, keys, source)
            return config
        }
        let key = KeyProtection.key(key: Data(repeating: 1, count: 32))
        await (try await Node.start(sealed(key))).shutdown()
        let node = try await node()
        let (graph, group) = (try await node.createGraph("words"), try await node.createGroup("words"))
        let note = try await graph.publish("t", "")
        var nowhere = NodeConfig.loopback()
        nowhere.bind = ["nowhere"]
        let unbound = nowhere
        let calls: [() async throws -> Any?] = [
            { try await Node.start(sealed(.plain)) },
            { try await Node.start(sealed(.passphrase(passphrase: "other"))) },
            { try await Node.start(sealed(.key(key: Data(count: 3)))) },
            { try await Node.start(sealed(key, source: { Data(count: 32) })) },
            { try await Node.start(unbound) },
            { try await graph.publish("bad type", "") },
            { try await graph.publish("peergraph.x", "") },
            { try await graph.publish("t", "", attributes: ["a b": 1]) },
            { try await graph.publish("t", "", attributes: ["a": .float(value: .nan)]) },
            { try await graph.publish("t", Data(count: (1 << 20) + 1)) },
            { try await graph.update(note.id, body: Data(), expectedVersion: 9) },
            { try graph.events(EventFilter(recordTypes: ["a/b"])) },
            { try graph.events(start: .after(cursor: Data(count: 3))) },
            { try await graph.saveCursor("x", Data(count: 3)) },
            { try await graph.disconnect(7) },
            { try await graph.connect(.any([node.addr])) },
            { try await graph.importDatabase(dir.appendingPathComponent("none")) },
            { try await node.join("hello") },
            { try await node.joinGroup("hello", name: "Ben") },
            { try await node.deleteGraph(graph.id) },
            { try await node.createGraph(GraphProperties(name: "seed"), seed: Data(count: 3)) },
            { try await group.inviteLink(uses: 0) },
            { try await group.setPassword("x") },
            { try await group.setRole(node.peerId, .member) },
            { try await group.remove(node.peerId) },
            { try await node.importMembership("hello", password: "password") },
        ]
        var told: [String] = []
        for (at, call) in calls.enumerated() {
            do {
                let result = try await call()
                Issue.record("\(at) was not refused: \(String(describing: result))")
            } catch let error as PeergraphError {
                told.append(error.message)
            }
        }
        #expect(told.filter(isForeign) == [])
        #expect(isForeign("give it with NodeConfig::keys") && isForeign("max_record") && !isForeign("the \"a_b\" of /tmp/a_b"))
        await node.shutdown()
    }
}

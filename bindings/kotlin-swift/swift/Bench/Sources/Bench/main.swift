// Events by Swift's streams, calls, cold start, idle memory: to be read, not passed. See bench.sh.
import Foundation
import Peergraph

let records = 20_000
let atOnce = 500
let inMemory = 1_000
let body = Data(repeating: 7, count: 32)
let ofTicks = EventFilter(kinds: [.recordChanged], recordTypes: ["tick"])

func size(_ event: Event) -> Int {
    if case .recordChanged(_, let record, _, _, _) = event { record.body.count } else { -1 }
}

struct Rates {
    private(set) var all: [(name: String, rates: [Double])] = []

    mutating func tell(_ name: String, _ count: Int, _ took: Duration) {
        let seconds = Double(took.components.seconds) + Double(took.components.attoseconds) / 1e18
        let at = all.firstIndex { $0.name == name } ?? all.endIndex
        if at == all.endIndex { all.append((name, [])) }
        all[at].rates.append(Double(count) / seconds)
    }

    func print() {
        let medians = all.map { ($0.name, $0.rates.sorted()[$0.rates.count / 2]) }
        let single = medians.first { $0.0 == "an awaited call per event" }!.1
        for (name, rate) in medians {
            let padded = name.padding(toLength: 34, withPad: " ", startingAt: 0)
            Swift.print(padded + String(format: "%12.0f /s  %8.1f x", rate, rate / single))
        }
    }
}

func timed(_ work: () async throws -> Void) async rethrows -> Duration {
    let begun = ContinuousClock.now
    try await work()
    return ContinuousClock.now - begun
}

func publish(_ graph: Graph, _ count: Int) async throws {
    for begin in stride(from: 0, to: count, by: atOnce) {
        try await withThrowingTaskGroup(of: Void.self) { group in
            for _ in 0..<min(atOnce, count - begin) { group.addTask { try await graph.publish("tick", body) } }
            try await group.waitForAll()
        }
    }
}

/// All that is there, off the main actor.
func snapshot(_ graph: Graph) async throws -> (count: Int, bytes: Int, took: Duration) {
    var (count, bytes) = (0, 0)
    let took = try await timed {
        for await event in try graph.events(ofTicks, start: .snapshot) {
            let size = size(event)
            if size < 0 { break }
            bytes += size
            count += 1
        }
    }
    return (count, bytes, took)
}

@MainActor func snapshotOnMain(_ graph: Graph) async throws -> (count: Int, bytes: Int, took: Duration) {
    var (count, bytes) = (0, 0)
    let begun = ContinuousClock.now
    for await event in try graph.events(ofTicks, start: .snapshot) {
        let size = size(event)
        if size < 0 { break }
        bytes += size
        count += 1
    }
    return (count, bytes, ContinuousClock.now - begun)
}

/// What waits in the library already.
func fromMemory(_ graph: Graph) async throws -> Duration {
    let events = try graph.events(ofTicks)
    try await publish(graph, inMemory)
    var (left, bytes) = (inMemory, 0)
    let took = await timed {
        for await event in events {
            bytes += size(event)
            left -= 1
            if left == 0 { break }
        }
    }
    precondition(bytes == inMemory * body.count, "bytes are missing")
    return took
}

/// One awaited call for each event, as bindings have that hand out events one by one.
func oneByOne(_ graph: Graph) async throws -> Duration {
    let events = try graph.events(ofTicks, start: .snapshot)
    return try await timed {
        var count = 0
        while count < 2_000 {
            _ = try await graph.peerTime()
            if let event = events.tryNext(), size(event) > 0 { count += 1 }
        }
    }
}

func resident() -> Int {
    let status = (try? String(contentsOfFile: "/proc/self/status", encoding: .utf8)) ?? ""
    let line = status.split(separator: "\n").first { $0.hasPrefix("VmRSS") } ?? ""
    return (Int(line.filter(\.isNumber)) ?? 0) / 1024
}

/// A process of its own: to its first event, then what it takes in memory when nothing happens. `started`: when whoever started
/// it did so, in seconds since 1970.
func cold(_ started: Double) async throws {
    let (before, entered) = (resident(), Date())
    let node = try await Node.start(.loopback())
    let graph = try await node.createGraph("cold")
    let events = try graph.events(ofTicks)
    try await graph.publish("tick", body)
    let event = await events.next()
    precondition(event.map(size) == body.count)
    let now = Date()
    try await Task.sleep(for: .seconds(3))
    print("from main to the first event: \(Int(now.timeIntervalSince(entered) * 1000)) ms")
    print("from the start of the process to the first event: \(Int((now.timeIntervalSince1970 - started) * 1000)) ms")
    print("resident: \(before) MiB in main, \(resident()) MiB with an idle node and a graph")
    await node.shutdown()
}

func whole(_ rounds: Int) async throws {
    var rates = Rates()
    var config = NodeConfig.loopback()
    config.durability = .relaxed
    let node = try await Node.start(config)
    let graph = try await node.createGraph("bench")
    rates.tell("publish, 500 at a time", records, try await timed { try await publish(graph, records) })
    rates.tell("publish, one by one", inMemory, try await timed { for _ in 0..<inMemory { try await graph.publish("tick", body) } })
    let memory = try await node.createGraph("memory")
    for _ in 0..<rounds {
        for (name, told) in [("snapshot, for await", try await snapshot(graph)), ("the same on the main actor", try await snapshotOnMain(graph))] {
            precondition(told.count == records + inMemory && told.bytes == told.count * body.count, "records are missing")
            rates.tell(name, told.count, told.took)
        }
        rates.tell("from memory, for await", inMemory, try await fromMemory(memory))
        rates.tell("an awaited call per event", 2_000, try await oneByOne(graph))
    }
    await node.shutdown()
    rates.print()
}

switch CommandLine.arguments.dropFirst().map({ $0 }) {
case let words where words.count == 2 && words[0] == "cold": try await cold(Double(words[1])!)
case let words where words.count == 1 && Int(words[0]) != nil: try await whole(Int(words[0])!)
default:
    FileHandle.standardError.write(Data("rounds, or cold and the time now\n".utf8))
    exit(2)
}

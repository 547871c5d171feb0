// A process that reads so many large records in each of the ways there are, and then says how much memory that took at most.
import Foundation
import Peergraph

let count = Int(CommandLine.arguments[1])!
let size = 1_000_000
let dir = FileManager.default.temporaryDirectory.appendingPathComponent("peergraph-heavy-\(UUID().uuidString)")

/// The most memory that this process has had, in MB.
func peak() throws -> Int {
    #if os(Linux)
    let status = try String(contentsOfFile: "/proc/self/status", encoding: .utf8)
    let line = status.split(separator: "\n").first { $0.hasPrefix("VmHWM:") }
    return Int(line?.split(separator: " ")[1] ?? "")! / 1000
    #else
    var usage = rusage()
    getrusage(RUSAGE_SELF, &usage)
    return Int(usage.ru_maxrss) / 1_000_000
    #endif
}

func read() async throws {
    var config = NodeConfig.loopback()
    (config.dataDir, config.durability) = (dir, .relaxed)
    let node = try await Node.start(config)
    let graph = try await node.createGraph("heavy")
    let live = try graph.events(EventFilter(.recordChanged))
    for _ in 0..<count { try await graph.publish("t", Data(count: size)) }
    // Nothing was read so far.
    var seen = 0
    for await case .recordChanged(_, let record, _, _, _) in live where record.body.count == size {
        seen += 1
        if seen == count { break }
    }
    live.close()
    print("live: \(seen)")
    seen = 0
    for await event in try graph.events(EventFilter(.recordChanged), start: .snapshot) {
        if case .caughtUp = event { break }
        seen += 1
    }
    print("snapshot: \(seen)")
    seen = 0
    for try await page in graph.records(ListQuery(recordType: "t")) { seen += page.count { $0.body.count == size } }
    print("records: \(seen)")
    await node.shutdown()
}

let before = try peak()
try await read()
try FileManager.default.removeItem(at: dir)
print("memory: \(try peak() - before)")

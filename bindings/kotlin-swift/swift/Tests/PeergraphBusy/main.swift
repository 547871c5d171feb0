// A process that ends while a producer is busy, in the way that its argument says. What must be seen is "t" and nothing else.
import Foundation
import Peergraph

let node = try await Node.start(.loopback())
let graph = try await node.createGraph("busy")
let events = try graph.events(EventFilter(.recordChanged))
for _ in 0..<4 {
    Task { while true { try await graph.publish("t", "busy") } }
}
let reader = Task { for await _ in events {} }
let other = try graph.events(EventFilter(.recordChanged))
for await event in other {
    if case .recordChanged(_, let record, _, _, _) = event { print(record.recordType) }
    break
}
switch CommandLine.arguments.dropFirst().first {
case "exit": exit(0)
case "shutdown": await node.shutdown()
case "close": await graph.close()
case "cancel": reader.cancel()
case "return": break
default: exit(2)
}

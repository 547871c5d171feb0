import Foundation
import Peergraph
import Testing

private let times = 0..<25

/// A box that many tasks write to.
private actor Seen {
    var texts: [String?] = []
    func add(_ text: String?) { texts.append(text) }
}

private final class Weak {
    weak var stream: EventStream?
    init(_ stream: EventStream) { self.stream = stream }
}

@Suite struct RaceTests {
    @Test(arguments: times) func timeoutsLoseNothing(turn: Int) async throws {
        let node = try await node()
        let graph = try await node.createGraph("races")
        let (events, seen) = (try graph.events(EventFilter(.recordChanged)), Seen())
        let producer = Task { for turn in 0..<60 { try await graph.publish("t", "\(turn)") } }
        let begun = ContinuousClock.now
        while await seen.texts.count < 60, ContinuousClock.now - begun < patience {
            let reader = Task { for await event in events { await seen.add(event.text) } }
            try await Task.sleep(for: .microseconds(200))
            reader.cancel()
            await reader.value
        }
        try await producer.value
        #expect(await seen.texts == (0..<60).map { "\($0)" })
        await node.shutdown()
    }

    @Test(arguments: times) func cancellingIsPromptAndBreakingCloses(turn: Int) async throws {
        let node = try await node()
        let graph = try await node.createGraph("races")
        let events = try graph.events(EventFilter(.recordChanged))
        let waiting = Task { await events.next() }
        try await Task.sleep(for: .milliseconds(1))
        let begun = ContinuousClock.now
        waiting.cancel()
        #expect(await waiting.value == nil)
        #expect(ContinuousClock.now - begun < .seconds(1))
        try await graph.publish("t", "later")
        for await event in events {
            #expect(event.text == "later")
            break
        }
        events.close()
        #expect(await events.next() == nil)
        #expect(events.tryNext() == nil)
        await node.shutdown()
    }

    @Test(arguments: times) func whatNobodyHoldsIsFreed(turn: Int) async throws {
        let node = try await node()
        let graph = try await node.createGraph("races")
        let streams = try (0..<4).map { _ in Weak(try graph.events()) }
        #expect(streams.allSatisfy { $0.stream == nil })
        await node.shutdown()
    }

    @Test(arguments: times) func whoWaitsAndIsHeldByNobodyStillWakes(turn: Int) async throws {
        let node = try await node()
        let graph = try await node.createGraph("races")
        let seen = Seen()
        func abandon() throws {
            let events = try graph.events(EventFilter(.recordChanged))
            Task { await seen.add(await events.next()?.text) }
        }
        try abandon()
        try await graph.publish("t", "still there")
        try await eventually("the event") { await seen.texts == ["still there"] }
        await node.shutdown()
    }

    @Test(arguments: times) func aStreamEndsWhileSomebodyWaits(turn: Int) async throws {
        let node = try await node()
        let graph = try await node.createGraph("races")
        let events = try graph.events(EventFilter(.recordChanged))
        let waiting = Task { await events.next() }
        if turn % 2 == 0 { await Task.yield() }
        await graph.close()
        #expect(try await within(patience, "the wait") { await waiting.value } == nil)
        await node.shutdown()
    }

    @Test(arguments: times) func aCancelledLongCallEndsInTheLibraryToo(turn: Int) async throws {
        let (node, gone) = (try await node(), try await node())
        let away = try await gone.createGraph("races")
        try await away.listen()
        let ticket = try await away.ticket()
        await gone.shutdown()
        let graph = try await node.openGraph(ticket)
        let events = try graph.events(EventFilter(.neighborConnection))
        let nobody = NodeAddr(node: gone.id, addrs: ["127.0.0.1:9"], relay: nil)
        let long = Task {
            if turn % 2 == 0 { try await graph.connect(.addr(nobody), deadline: .seconds(600)) }
            else { try await graph.enter(.addr(nobody)) }
        }
        if turn % 3 != 0 { try await Task.sleep(for: .milliseconds(turn)) }
        let begun = ContinuousClock.now
        long.cancel()
        await failing("Cancelled") { try await long.value }
        #expect(ContinuousClock.now - begun < .seconds(5))
        // Had it not begun, there is nothing to be told; what was begun is over, and this is the next.
        await failing("ConnectToSelf") { try await graph.connect(.addr(node.addr)) }
        var reasons: [FailureReason] = []
        while reasons.last != .refused {
            reasons.append(
                try await find(events) { if case .neighborConnection(.failed(let why), _, _, _) = $0 { why } else { nil } })
        }
        #expect([[.refused], [.cancelled, .refused]].contains(reasons), "\(reasons)")
        await node.shutdown()
    }

    @Test(arguments: times) func aCancelledJoinIsOver(turn: Int) async throws {
        let (node, gone) = (try await node(), try await node())
        let away = try await gone.createGraph("races")
        try await away.listen()
        let ticket = try await away.ticket()
        await gone.shutdown()
        let joining = Task { try await node.join(ticket) }
        if turn % 2 == 0 { try await Task.sleep(for: .microseconds(200 * turn)) }
        joining.cancel()
        await failing("Cancelled") { try await joining.value }
        // The library has let go of it: the same graph can be opened and closed, and nothing connects any more.
        let graph = try await node.openGraph(ticket)
        #expect(try await graph.status().hasConnections == false)
        await graph.close()
        await node.shutdown()
    }
}

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
}

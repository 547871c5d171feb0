import Foundation
import Peergraph
import Testing

/// Events by the numbers of the conformance list: registering, records, properties.
@Suite struct RecordEventTests {
    private let ofRecords = EventFilter(.recordChanged)

    @Test func e1_only_registered_kinds_are_delivered() async throws {
        let node = try await node()
        let graph = try await node.createGraph("e1")
        let kinds: [EventKind] = [.statusChanged, .propertyChanged, .recordChanged]
        let alone = try kinds.map { try graph.events(EventFilter($0)) }
        let (two, all) = (try graph.events(EventFilter(.statusChanged, .recordChanged)), try graph.events())
        try await graph.publish("t", "1")
        try await graph.setProperties(comment: "new")
        try await graph.listen()
        for (kind, events) in zip(kinds, alone) {
            #expect(try await soon(events).kind == snake(kind))
            #expect(Set(events.drain().map(\.kind)).isSubset(of: [snake(kind)]))
        }
        #expect(Set(two.drain().map(\.kind)) == ["status_changed", "record_changed"])
        #expect(Set(all.drain().map(\.kind)).isSuperset(of: kinds.map(snake)))
        await node.shutdown()
    }

    @Test func e3_records_are_filtered_by_type_and_author_and_data_by_type() async throws {
        let (node, other) = (try await node(), try await node())
        let graph = try await node.createGraph("e3")
        func texts(_ filter: EventFilter) throws -> () -> [String?] {
            let events = try graph.events(filter)
            return { events.drain().map(\.text) }
        }
        let one = try texts(EventFilter(kinds: [.recordChanged], recordTypes: ["a"]))
        let two = try texts(EventFilter(kinds: [.recordChanged], recordTypes: ["a", "b"], authors: [node.peerId]))
        let every = try texts(ofRecords)
        let nobody = try texts(EventFilter(kinds: [.recordChanged], authors: [other.peerId]))
        for type in ["a", "b", "c"] { try await graph.publish(type, type) }
        #expect([one(), two(), every(), nobody()] == [["a"], ["a", "b"], ["a", "b", "c"], []])
        let data = try graph.events(EventFilter(kinds: [.directConnection, .incomingData], dataTypes: ["wanted"]))
        try await graph.listen()
        let direct = try await other.join(try await graph.ticket()).openDirect(.node(node.id))
        #expect(try await direct.send("other", Data([1])).delivered() == false)
        #expect(try await direct.send("wanted", Data([2])).delivered())
        let got = try await find(data) { if case .incomingData(_, _, _, _, _, let data) = $0 { data } else { nil } }
        #expect(got == Data([2]))
        await other.shutdown()
        await node.shutdown()
    }

    @Test func e4_each_registration_gets_every_matching_event() async throws {
        let node = try await node()
        let graph = try await node.createGraph("e4")
        let streams = try (0..<5).map { _ in try graph.events(ofRecords) }
        for turn in 0..<20 { try await graph.publish("t", "\(turn)") }
        for events in streams { #expect(events.drain().map(\.text) == (0..<20).map { "\($0)" }) }
        await node.shutdown()
    }

    @Test func e5_empty_is_said_and_nothing_stays_without_a_wake_up() async throws {
        let node = try await node()
        let graph = try await node.createGraph("e5")
        let events = try graph.events(ofRecords)
        let waiting = Task { await events.next()?.text }
        for turn in 0..<10 { try await graph.publish("t", "\(turn)") }
        #expect(try await within(patience, "the first") { await waiting.value } == "0")
        #expect(events.drain().map(\.text) == (1..<10).map { "\($0)" })
        #expect(events.tryNext() == nil && events.tryNext() == nil)
        // A wake-up for what was drained already: the wait goes on until there is something.
        let again = Task { await events.next()?.text }
        try await graph.publish("t", "again")
        #expect(try await within(patience, "the next") { await again.value } == "again")
        await node.shutdown()
    }

    @Test func e6_after_unregistering_nothing_is_delivered() async throws {
        let node = try await node()
        let graph = try await node.createGraph("e6")
        let events = try graph.events(ofRecords)
        try await graph.publish("t", "pending")
        events.close()
        try await graph.publish("t", "later")
        #expect(events.tryNext() == nil && events.drain().isEmpty)
        #expect(await events.next() == nil)
        events.close()
        await node.shutdown()
    }

    @Test func e8_properties_tell_what_changed_and_only_then() async throws {
        let node = try await node()
        let graph = try await node.createGraph("before")
        let events = try graph.events(EventFilter(.propertyChanged))
        let now = try await graph.setProperties(name: "after", presenceLifetime: .seconds(600))
        guard case .propertyChanged(let changed, let properties) = try await soon(events) else {
            Issue.record("no change"); return
        }
        #expect(Set(changed) == ["name", "presence_lifetime"])
        #expect(properties == now && now.name == "after")
        try await graph.setProperties(name: "after")
        try await graph.setProperties(comment: "new")
        guard case .propertyChanged(["comment"], _) = try await soon(events) else {
            Issue.record("the same again is no change"); return
        }
        await node.shutdown()
    }

    private func change(_ events: EventStream) async throws -> (ChangeKind, ChangeOrigin, Record) {
        try await find(events) { event in
            if case .recordChanged(let change, let record, let origin, _, _) = event { (change, origin, record) } else { nil }
        }
    }

    @Test func e9_records_are_added_updated_deleted_and_expire_wherever_it_happens() async throws {
        let (node, other) = (try await node(), try await node())
        let graph = try await node.createGraph("e9")
        try await graph.listen()
        let here = try graph.events(ofRecords)
        let record = try await graph.publish("t", "one")
        #expect(try await change(here) == (.added, .local, record))
        let ticket = try await graph.ticket()
        let joined = try await other.openGraph(ticket)
        let there = try joined.events(ofRecords)
        try await joined.enter(.ticket(ticket))
        let added = try await change(there)
        #expect((added.0, added.1, added.2.id, added.2.recordType) == (.added, .sync, record.id, "t"))
        try await graph.update(record.id, body: Data("two".utf8))
        let updated = try await change(there)
        #expect((updated.0, updated.1, updated.2.bodyText) == (.updated, .flood, "two"))
        try await graph.delete(record.id)
        let deleted = try await change(there)
        #expect((deleted.0, deleted.2.id, deleted.2.deleted, deleted.2.body) == (.deleted, record.id, true, Data()))
        let brief = try await joined.publish("t", "brief", expires: Date().addingTimeInterval(1))
        #expect(try await change(there).0 == .added)
        let expired = try await change(there)
        #expect((expired.0, expired.2.id) == (.expired, brief.id))
        await other.shutdown()
        await node.shutdown()
    }

    @Test func e10_a_record_event_carries_the_record() async throws {
        let node = try await node()
        let graph = try await node.createGraph("e10")
        let events = try graph.events(ofRecords)
        let published = try await graph.publish("t", "body", attributes: ["a": 1])
        let told = try await change(events).2
        #expect(told == published)
        #expect(try await graph.get(told.id) == told)
        await node.shutdown()
    }

    @Test func e20_a_snapshot_goes_over_into_what_happens_without_gap_or_repeat() async throws {
        let node = try await node()
        let graph = try await node.createGraph("e20")
        for turn in 0..<50 { try await graph.publish("t", "\(turn)") }
        let writer = Task { for turn in 50..<150 { try await graph.publish("t", "\(turn)") } }
        let events = try graph.events(EventFilter(kinds: [.recordChanged], recordTypes: ["t"]), start: .snapshot)
        var (texts, caughtUp): ([String?], Int) = ([], 0)
        while texts.count < 150 {
            let event = try await soon(events)
            if case .caughtUp = event { caughtUp += 1 } else { texts.append(event.text) }
        }
        try await writer.value
        #expect(caughtUp == 1 && texts == (0..<150).map { "\($0)" })
        let foreign = try graph.events(ofRecords, start: .after(cursor: Data(count: 24)))
        #expect(try await soon(foreign) == .reset)
        await node.shutdown()
    }

    @Test func e21_a_slow_reader_loses_no_record_and_is_told_of_what_else_it_missed() async throws {
        let node = try await node()
        let graph = try await node.createGraph("e21")
        let records = try graph.events(ofRecords, capacity: 16)
        let links = try graph.events(EventFilter(.neighborConnection))
        for turn in 0..<500 { try await graph.publish("t", "\(turn)") }
        for _ in 0..<1500 { await failing("ConnectToSelf") { try await graph.connect(.addr(node.addr)) } }
        for turn in 0..<500 { #expect(try await soon(records).text == "\(turn)") }
        #expect(try await soon(links) == .lagged(dropped: 1500 - 1024))
        #expect(links.drain().map(\.kind) == Array(repeating: "neighbor_connection", count: 1024))
        await node.shutdown()
    }

    @Test func e23_loop_wait_and_polling_give_the_same() async throws {
        let node = try await node()
        let graph = try await node.createGraph("e23")
        let streams = try (0..<3).map { _ in try graph.events(ofRecords) }
        for turn in 0..<40 { try await graph.publish("t", "\(turn)") }
        var told: [[Event]] = [[], [], []]
        for await event in streams[0] {
            told[0].append(event)
            if told[0].count == 40 { break }
        }
        for _ in 0..<40 { told[1].append(try await soon(streams[1])) }
        while let event = streams[2].tryNext() { told[2].append(event) }
        #expect(told[0] == told[1] && told[1] == told[2] && told[0].count == 40)
        await node.shutdown()
    }
}

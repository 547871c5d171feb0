import Foundation
import Peergraph
import Testing

/// Events of groups by the numbers of the conformance list, and what holds everywhere.
@Suite struct GroupEventTests {
    private func member(_ group: Group, _ node: Node, _ name: String = "Ben", _ life: Duration? = nil) async throws -> Group {
        try await node.joinGroup(try await group.inviteLink(lifetime: life), name: name)
    }

    @Test func e2_any_subset_of_the_group_events_can_be_registered() async throws {
        let kinds: [EventKind] = [
            .statusChanged, .propertyChanged, .recordChanged, .directConnection, .neighborConnection, .incomingData,
            .memberChanged, .connectionFailed,
        ]
        let dir = FileManager.default.temporaryDirectory.appendingPathComponent(UUID().uuidString)
        defer { try? FileManager.default.removeItem(at: dir) }
        var onDisk = NodeConfig.loopback()
        onDisk.dataDir = dir
        let (node, ben) = (try await node(), try await Node.start(onDisk))
        let club = try await node.createGroup("e2")
        await (try await member(club, ben)).close()
        let bens = try await ben.openGroup(club.id)
        // Each alone, each with the next, and all: before anything of its kind happens.
        let subsets = kinds.map { [$0] } + zip(kinds, kinds.dropFirst()).map { [$0, $1] } + [kinds]
        let registered = try subsets.map { (try bens.events(EventFilter(kinds: $0)), Set($0.map(snake))) }
        try await bens.enter(.addr(node.addr))
        try await club.setProperties(comment: "new")
        try await club.publish("note", "a record")
        let direct = try await club.openDirect(.node(ben.id))
        #expect(try await direct.send("data", Data("data".utf8)).delivered())
        try await club.remove(ben.peerId)
        try await eventually("he is out") { try await bens.neighbors().isEmpty }
        await failing("NotAuthorized") { try await bens.enter(.addr(node.addr)) }
        for (events, wanted) in registered {
            var missing = wanted
            while !missing.isEmpty {
                let event = try await soon(events)
                #expect(wanted.contains(event.kind), "\(event)")
                missing.remove(event.kind)
            }
        }
        await ben.shutdown()
        await node.shutdown()
    }

    @Test func e17_members_join_come_change_go_leave_and_are_removed() async throws {
        let (node, ben, cyd) = (try await node(), try await node(), try await node())
        let club = try await node.createGroup("e17")
        let events = try club.events(EventFilter(.memberChanged))
        func told(_ wanted: MemberChange) async throws -> MemberInfo {
            try await find(events) { if case .memberChanged(wanted, let member) = $0 { member } else { nil } }
        }
        var bens = try await member(club, ben)
        let joined = try await told(.joined)
        #expect((joined.peer, joined.name, joined.role) == (ben.peerId, "Ben", .member))
        let come = try await told(.connected)
        #expect((come.peer, come.nodes.map(\.node), come.isPresent) == (ben.peerId, [ben.id], true))
        try await club.setRole(ben.peerId, .inviter)
        #expect(try await told(.updated).role == .inviter)
        await bens.close()
        let gone = try await told(.disconnected)
        #expect((gone.peer, gone.role, gone.isPresent) == (ben.peerId, .inviter, false))
        bens = try await member(club, ben)
        #expect(try await told(.connected).peer == ben.peerId)
        try await bens.leave()
        let left = try await told(.left)
        #expect((left.peer, left.role) == (ben.peerId, nil))
        let cyds = try await member(club, cyd, "Cyd")
        #expect(try await told(.connected).peer == cyd.peerId)
        try await club.remove(cyd.peerId)
        let removed = try await told(.removed)
        #expect((removed.peer, removed.name, removed.role) == (cyd.peerId, "Cyd", nil))
        let dan = try await Node.start(.loopback())
        let dans = try await member(club, dan, "Dan", .seconds(5))
        #expect(try await told(.expired).peer == dan.peerId)
        withExtendedLifetime((cyds, dans)) {}
        for each in [dan, cyd, ben, node] { await each.shutdown() }
    }

    @Test func e18_a_group_that_cannot_be_entered_says_why_once() async throws {
        let (node, other) = (try await node(), try await node())
        let club = try await node.createGroup("e18")
        let byPassword = try await club.setPassword("open sesame", lifetime: .seconds(5))
        let bens = try await other.joinGroup(byPassword, password: "open sesame")
        let events = try bens.events(EventFilter(.connectionFailed))
        func told() async throws -> GroupFailure? {
            let reason = try await find(events) { if case .connectionFailed(let reason) = $0 { reason } else { nil } }
            #expect(events.drain().isEmpty, "once")
            return reason
        }
        try await eventually("his time is over") {
            let (role, neighbors) = (try await bens.role(), try await bens.neighbors())
            return role == nil && neighbors.isEmpty
        }
        // By the other's clock a moment later: until then he is let in.
        try await eventually("he is turned away") {
            do throws(PeergraphError) { try await bens.enter(.addr(node.addr)) } catch { return error.kind == "NotAuthorized" }
            return false
        }
        #expect(try await told() == .notAuthorized)
        await failing("WrongPassword") { try await other.joinGroup(byPassword, password: "shut sesame") }
        #expect(try await told() == .wrongPassword)
        var link = try await club.inviteLink()
        try await club.revokeInvitation(try #require(try await club.invitations().first).key)
        await failing("InvitationRevoked") { [link] in try await other.joinGroup(link) }
        #expect(try await told() == .invitationInvalid)
        link = try await club.inviteLink()
        await node.shutdown()
        await failing("Unreachable") { [link] in try await other.joinGroup(link) }
        #expect(try await told() == .noneConnectable)
        await other.shutdown()
    }

    @Test func x1_errors_are_typed_and_outcomes_that_are_none_are_values() async throws {
        let node = try await node()
        let graph = try await node.createGraph("x1")
        do throws(PeergraphError) {
            try await graph.connect(.addr(node.addr))
            Issue.record("connected to itself")
        } catch {
            #expect((error.kind, error.code) == ("ConnectToSelf", 60))
            #expect(!error.message.isEmpty)
            guard case .ConnectToSelf = error else { Issue.record("\(error)"); return }
        }
        #expect(graph.openOutcome == .created)
        #expect(try await graph.listen() == .started)
        #expect(try await graph.listen() == .alreadyListening)
        await node.shutdown()
    }

    @Test func x2_what_can_last_has_a_deadline() async throws {
        let (node, other) = (try await node(), try await node())
        let graph = try await node.createGraph("x2")
        let nobody = NodeAddr(node: NodeId(bytes: other.id.bytes), addrs: ["127.0.0.1:9"], relay: nil)
        await other.shutdown()
        let begun = ContinuousClock.now
        await failing("TimedOut") { try await graph.connect(.addr(nobody), deadline: .milliseconds(300)) }
        #expect(ContinuousClock.now - begun < .seconds(10))
        let group = try await node.createGroup("x2")
        let link = try await group.inviteLink()
        let late = try await Node.start(.loopback())
        await node.shutdown()
        let again = ContinuousClock.now
        do throws(PeergraphError) {
            _ = try await late.joinGroup(link, deadline: .seconds(1))
            Issue.record("joined a group of nobody")
        } catch {
            #expect(["TimedOut", "Unreachable"].contains(error.kind), "\(error)")
        }
        #expect(ContinuousClock.now - again < .seconds(10))
        await late.shutdown()
    }

    @Test func x3_lists_are_snapshots_paged_sized_and_end() async throws {
        let node = try await node()
        let graph = try await node.createGraph("x3")
        for turn in 0..<25 { try await graph.publish(turn % 2 == 0 ? "even" : "odd", "\(turn)") }
        var (sizes, first): ([Int], Bool) = ([], true)
        for try await page in graph.records(ListQuery(limit: 10)) {
            sizes.append(page.count)
            // Not in a list that has begun.
            if first { try await graph.publish("even", "late") }
            first = false
        }
        #expect(sizes == [10, 10, 5])
        let odd = try await graph.records(ListQuery(recordType: "odd")).all()
        #expect(odd.map(\.bodyText) == stride(from: 1, to: 25, by: 2).map { "\($0)" })
        #expect(try await graph.records(ListQuery(recordType: "none")).all().isEmpty)
        let page = try await graph.list(ListQuery(limit: 1000))
        #expect(page.items.count == 26 && page.next == nil)
        await node.shutdown()
    }
}

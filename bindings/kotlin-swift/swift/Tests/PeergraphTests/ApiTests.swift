import Foundation
import Peergraph
import Testing

@Suite struct ApiTests {
    @Test func aGroupIsMadeJoinedByALinkAndWrittenIn() async throws {
        let (ann, ben) = (try await node(), try await node())
        let club = try await ann.createGroup("club")
        let invitation = try await club.inviteLink()
        #expect(invitation.kind == .link)
        #expect(try Invitation(invitation.text).groupName == "club")
        #expect(try invitation.qrSvg().contains("<svg"))
        let members = try club.events(EventFilter(.memberChanged))
        let joined = try await ben.joinGroup(invitation, name: "Ben")
        #expect(joined.joinOutcome == .joined)
        guard case .memberChanged(_, let member)? = await members.next() else {
            Issue.record("no member"); return
        }
        #expect(member.name == "Ben")
        let changes = try club.events(EventFilter(.recordChanged))
        let sent = try await joined.publish("chat.message", "hello", attributes: ["room": "main"])
        guard case .recordChanged(_, let record, let origin, _, _)? = await changes.next() else {
            Issue.record("no change"); return
        }
        #expect(record.id == sent.id)
        #expect(record.bodyText == "hello")
        #expect(record["room"] == "main")
        #expect(record.author == ben.peerId)
        #expect(origin == .flood)
        #expect(try await joined.role() == .member)
        await ann.shutdown()
        await ben.shutdown()
    }

    @Test func valuesOfEveryTypeComeBackAsTheyWere() async throws {
        let node = try await node()
        let graph = try await node.createGraph("values")
        let at = Date(timeIntervalSince1970: 1_700_000_000.123)
        let given: [String: Value] = [
            "text": "ä", "int": -5, "float": 2.5, "flag": true, "at": .time(value: at),
            "bytes": .bytes(value: Data([1, 2])), "list": ["a", 1],
        ]
        let expires = Date().addingTimeInterval(3600)
        let record = try await graph.publish("t", Data([0, 255]), attributes: given, expires: expires)
        let found = try #require(try await graph.get(record.id))
        #expect(found.body == Data([0, 255]))
        #expect(found.bodyText == nil)
        #expect(found.attributes == given)
        #expect(found.creator == node.peerId)
        #expect(abs(found.expires!.timeIntervalSince(expires)) < 0.01)
        await failing("InvalidArgument") { try await graph.publish("t", "", attributes: ["x": .float(value: .nan)]) }
        await node.shutdown()
    }

    @Test func recordsAreListedInPagesAsTheyWereAtTheFirst() async throws {
        let node = try await node()
        let graph = try await node.createGraph("lists")
        for turn in 0..<25 { try await graph.publish("t", "\(turn)") }
        var sizes: [Int] = []
        for try await page in graph.records(ListQuery(recordType: "t", limit: 10)) { sizes.append(page.count) }
        #expect(sizes == [10, 10, 5])
        let all = try await graph.records(ListQuery(recordType: "t")).all()
        #expect(all.map(\.bodyText) == (0..<25).map { "\($0)" })
        await node.shutdown()
    }

    @Test func aCursorIsOfWhatWasHandedOutNotOfWhatWasFetched() async throws {
        let node = try await node()
        let graph = try await node.createGraph("cursors")
        let events = try graph.events(EventFilter(.recordChanged))
        for turn in 0..<10 { try await graph.publish("t", "\(turn)") }
        for _ in 0..<3 { _ = await events.next() }
        try await graph.saveCursor("reader", events.cursor)
        let kept = try #require(try await graph.loadCursor("reader"))
        let later = try graph.events(EventFilter(.recordChanged), start: .after(cursor: kept))
        #expect(await later.next()?.text == "3")
        #expect(try await graph.loadCursor("nobody") == nil)
        await node.shutdown()
    }

    @Test func dataGoesOverADirectConnection() async throws {
        let (a, b) = (try await node(), try await node())
        let here = try await a.createGraph("data")
        try await here.listen()
        let incoming = try here.events(EventFilter(.directConnection, .incomingData))
        let there = try await b.join(try await here.ticket())
        let direct = try await there.openDirect(.node(a.id))
        #expect(direct.info.kind == .direct)
        let receipt = try await direct.send("file", Data(repeating: 7, count: 100_000))
        guard case .directConnection(.connected, _, _, _)? = await incoming.next() else {
            Issue.record("no connection"); return
        }
        guard case .incomingData(_, _, _, let peer, let type, let data)? = await incoming.next() else {
            Issue.record("no data"); return
        }
        #expect(peer == b.peerId && type == "file" && data.count == 100_000)
        #expect(try await receipt.delivered())
        await failing("InvalidArgument") { try await receipt.delivered() }
        try await direct.close()
        await failing("NotConnected") { try await direct.send("file", Data([1])) }
        await a.shutdown()
        await b.shutdown()
    }

    @Test func aNodeThatWasPausedIsBackWithWhatHappenedMeanwhile() async throws {
        let (a, b) = (try await node(), try await node())
        let here = try await a.createGraph("mobile")
        try await here.listen()
        let there = try await b.join(try await here.ticket())
        try await b.pause()
        #expect(b.isPaused)
        try await eventually("the goodbye") { try await here.neighbors().isEmpty }
        let missed = try await here.publish("t", "meanwhile")
        let own = try await there.publish("t", "in the background")
        await failing("Paused") { try await there.connect(.addr(a.addr)) }
        try await b.resume()
        try await b.networkChanged()
        try await eventually("what was missed") { try await there.get(missed.id) != nil }
        try await eventually("what was written") { try await here.get(own.id) != nil }
        await a.shutdown()
        await b.shutdown()
    }

    @Test func aNodeOnDiskIsTheSameAgainWithKeysFromAKeyStore() async throws {
        let dir = FileManager.default.temporaryDirectory.appendingPathComponent(UUID().uuidString)
        defer { try? FileManager.default.removeItem(at: dir) }
        var config = NodeConfig.loopback()
        config.dataDir = dir
        config.encryptDatabase = true
        config.keySource = { Data(repeating: 7, count: 32) }
        let first = try await Node.start(config)
        let (peer, group) = (first.peerId, try await first.createGroup("kept"))
        try await group.publish("t", "kept")
        await first.shutdown()
        var open = NodeConfig.loopback()
        open.dataDir = dir
        await failing("KeyAccess") { [open] in try await Node.start(open) }
        let again = try await Node.start(config)
        #expect(again.peerId == peer)
        #expect(try again.storedGroups() == [group.id])
        let kept = try await again.openGroup(group.id).records(ListQuery(recordType: "t")).all()
        #expect(kept.map(\.bodyText) == ["kept"])
        await again.shutdown()
    }

    @Test func identitiesAreMadeDescribedAndSign() async throws {
        let node = try await node()
        let ann = try await node.identities.create(name: "Ann", classifier: "work")
        #expect(ann.name == "Ann" && ann.peerName.classifier == "work")
        #expect(try IdentityDescription(try ann.describe().text).peerId == ann.peerId)
        let signature = try ann.sign(Data("yes".utf8))
        #expect(ann.peerId.verify(Data("yes".utf8), signature: signature))
        #expect(!ann.peerId.verify(Data("no".utf8), signature: signature))
        #expect(try PeerId("\(ann.peerId)") == ann.peerId)
        try await ann.delete()
        await failing("IdentityDeleted") { try ann.describe() }
        await node.shutdown()
    }

    @Test func defaultsAreTheCores() {
        let config = NodeConfig()
        #expect(config.pingInterval == .seconds(1) && config.tombstoneLifetime == .days(30))
        #expect([config.targetNeighbors, config.maxNeighbors, config.minNeighbors] == [5, 8, 3])
        #expect(config.lowPower().targetNeighbors == 2)
        #expect(GraphProperties().presenceLifetime == .seconds(300))
        #expect(GroupRules().properties == .owner && GroupRules().maxChain == 8)
    }

    @Test func errorsHaveTheirNamesNumbersAndMessages() async throws {
        let node = try await node()
        do {
            _ = try await node.join("hello")
            Issue.record("joined")
        } catch {
            // Typed: no cast is needed.
            #expect(error.kind == "InvalidTicket" && error.code == 2)
            #expect(error.message.contains("ticket"))
        }
        await failing("InvalidId") { try PeerId("12") }
        await failing("InvalidId") { try await node.openGroup(GraphId(bytes: Data([1]))) }
        let graph = try await node.createGraph("errors")
        await failing("InvalidArgument") { try await graph.connect(.addr(node.addr), deadline: .seconds(-1)) }
        await failing("ConnectToSelf") { try await graph.connect(.addr(node.addr)) }
        await failing("InvalidArgument") { try graph.events(start: .after(cursor: Data([1]))) }
        await graph.close()
        await failing("Closed") { try await graph.listen() }
        await node.shutdown()
    }

    @Test func cancellingATaskCancelsItsConnect() async throws {
        let node = try await node()
        let graph = try await node.createGraph("cancel")
        let events = try graph.events(EventFilter(.neighborConnection))
        let nobody = NodeAddr(node: NodeId(bytes: Data(repeating: 9, count: 32)), addrs: ["127.0.0.1:9"], relay: nil)
        let connecting = Task { try await graph.connect(.addr(nobody), deadline: .seconds(600)) }
        try await Task.sleep(for: .milliseconds(50))
        let begun = ContinuousClock.now
        connecting.cancel()
        await failing("Cancelled") { try await connecting.value }
        #expect(ContinuousClock.now - begun < .seconds(5))
        guard case .neighborConnection(.failed, _, _, _)? = await events.next() else {
            Issue.record("the library was not told"); return
        }
        await node.shutdown()
    }
}

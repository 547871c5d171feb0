import Foundation
import Testing

@testable import Peergraph

/// What was found by using the library, each under its number: `k` are the findings here, `p` and `n` those of Python and Node.
///
/// Of P1 and K10 there is nothing to test: a body is `Data` or `String`, an attribute is a `Value`, and a string is always
/// Unicode, so that half of a surrogate pair cannot be in one (it becomes U+FFFD where the string is made). N12 neither: no body is a stream.
/// And of N4: `Data` and dictionaries are values, which nobody changes after the call.
@Suite struct FindingsTests {
    @Test func p2_n6_aDataDirectoryThatIsEmptyOrElsewhereIsRefused() async throws {
        for wrong in ["data", "https://example.org/data", "x-sandbox:data"] {
            let url = try #require(URL(string: wrong))
            do {
                _ = try await Node.open(url)
                Issue.record("opened \(wrong)")
            } catch {
                #expect(error.kind == "InvalidArgument" && error.message.contains("dataDir"), "\(error)")
            }
        }
        let node = try await node()
        let graph = try await node.createGraph("files")
        await failing("InvalidArgument") { try await graph.exportDatabase(URL(string: "https://example.org/x")!) }
        await failing("InvalidArgument") { try await graph.importDatabase(URL(string: "x")!) }
        await node.shutdown()
    }

    private func everyText(of value: Any) -> [String] {
        var dumped = ""
        dump(value, to: &dumped)
        let children = Mirror(reflecting: value).children.flatMap { everyText(of: $0.value) }
        return ["\(value)", String(describing: value), String(reflecting: value), dumped] + children
    }

    @Test func p3_k12_noSecretIsInATextForPeople() async throws {
        let (word, key) = ("correct horse", Data(repeating: 77, count: 32))
        var one = NodeConfig.loopback()
        one.identity = key
        one.keyProtection = .passphrase(passphrase: word)
        var other = NodeConfig.loopback()
        other.keyProtection = .key(key: key)
        other.keySource = { key }
        let natives: [Any] = [try await one.native()]
        for value in [one, other, one.keyProtection, other.keyProtection, Optional(one) as Any] as [Any] + natives {
            for text in everyText(of: value) {
                for secret in [word, "77", "4d4d", "TU1NTU"] { #expect(!text.contains(secret), "\(text)") }
            }
        }
        #expect("\(one)".contains("(hidden)") && !"\(other)".contains("identity: (hidden)"))
        let node = try await node()
        let graph = try await node.createGraph("secret")
        try await graph.listen()
        let (ticket, link) = (try await graph.ticket(), try await node.createGroup("club").inviteLink())
        let target = Target.ticket(ticket)
        for value in [ticket, link, target, target.native, Optional(link) as Any] as [Any] {
            for text in everyText(of: value) {
                for secret in [ticket.text, link.text] {
                    #expect(!text.contains(secret.split(separator: ":")[1].prefix(20)), "\(text)")
                }
            }
        }
        #expect("\(link)".contains("club"))
        await node.shutdown()
    }

    @Test func p4_rolesAreOrderedByRank() {
        #expect(Role.owner > .admin && Role.admin > .inviter && Role.inviter > .member && Role.member > .reader)
        #expect([Role.member, .owner, .reader].max() == .owner)
        #expect([Role.owner, .admin, .reader, .inviter, .member].sorted() == [.reader, .member, .inviter, .admin, .owner])
    }

    @Test func k28_p5_severalReadersShareTheEventsOfAStream() async throws {
        let (node, count) = (try await node(), 2_000)
        let graph = try await node.createGraph("shared")
        let events = try graph.events(EventFilter(kinds: [.recordChanged], recordTypes: ["t"]))
        let seen = try await within(patience * 4, "the readers") {
            try await withThrowingTaskGroup(of: [String].self) { group in
                for _ in 0..<4 {
                    group.addTask {
                        var seen: [String] = []
                        for await event in events { seen.append(event.text ?? "") }
                        return seen
                    }
                }
                try await withThrowingTaskGroup(of: Void.self) { producers in
                    for producer in 0..<8 {
                        producers.addTask {
                            for turn in 0..<count / 8 { try await graph.publish("t", "\(producer * (count / 8) + turn)") }
                        }
                    }
                    try await producers.waitForAll()
                }
                // The end of the stream ends all readers.
                await graph.close()
                return try await group.reduce(into: []) { $0 += $1 }
            }
        }
        #expect(seen.compactMap(Int.init).sorted() == Array(0..<count))
        await node.shutdown()
    }

    @Test func k28_p5_aReaderThatIsCancelledPassesTheEventsOn() async throws {
        let node = try await node()
        let graph = try await node.createGraph("passed on")
        for turn in 0..<50 {
            let events = try graph.events(EventFilter(.recordChanged))
            let stays = Task { await events.next() }
            let goes = Task { await events.next() }
            try await graph.publish("t", "one \(turn)")
            goes.cancel()
            try await graph.publish("t", "two \(turn)")
            let texts = try await within(patience, "the reader that stays") { [await stays.value, await goes.value].compactMap { $0?.text } }
            #expect(!texts.isEmpty && Set(texts).count == texts.count)
            #expect(Set(texts).union(events.drain().compactMap(\.text)) == ["one \(turn)", "two \(turn)"])
            events.close()
        }
        await node.shutdown()
    }

    @Test func p21_whatIsFarTooLargeIsRefusedBeforeItIsCopied() async throws {
        let node = try await node()
        let graph = try await node.createGraph("large")
        // More than the lengths on the way to the library can say, without memory behind it: writing it would end the process.
        let count = Int(Int32.max) + 1
        let pages = try #require(mmap(nil, count, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0))
        let huge = Data(bytesNoCopy: pages, count: count, deallocator: .custom { pages, count in munmap(pages, count) })
        await failing("TooLarge") { try await graph.publish("t", huge) }
        await failing("TooLarge") { try await graph.update(RecordId(bytes: Data(count: 16)), body: huge) }
        await failing("TooLarge") { try await graph.publish("t", "", attributes: ["x": .bytes(value: huge)]) }
        await failing("TooLarge") { try await graph.publish("t", "", attributes: ["x": [.bytes(value: huge)]]) }
        await failing("TooLarge") { try await graph.send(1, "t", huge) }
        await failing("TooLarge") { try await graph.saveCursor("x", huge) }
        await failing("TooLarge") { try await node.createGraph(GraphProperties(), seed: huge) }
        await failing("TooLarge") { try await node.identities.create(key: huge) }
        await failing("TooLarge") { try node.identities.list[0].sign(huge) }
        await failing("TooLarge") { try graph.events(start: .after(cursor: huge)) }
        #expect(!node.peerId.verify(huge, signature: Data(count: 64)))
        #expect(!node.peerId.verify(Data(), signature: huge))
        // What this graph takes at most is the core's to say.
        await failing("TooLarge") { try await graph.publish("t", Data(count: Int(Node.maxRecord) + 1)) }
        await node.shutdown()
    }

    @Test func n6_emptyAndWrongWordsAreRefused() async throws {
        let node = try await node()
        let graph = try await node.createGroup("words")
        await failing("InvalidArgument") { try await graph.publish("", "x") }
        await failing("InvalidArgument") { try await graph.publish("t", "x", attributes: ["": 1]) }
        await failing("InvalidArgument") { try await graph.list(ListQuery(recordType: "")) }
        await failing("InvalidArgument") { try graph.events(EventFilter(recordTypes: [""])) }
        await failing("InvalidArgument") { try graph.events(EventFilter(dataTypes: [""])) }
        await failing("InvalidArgument") { try await graph.saveCursor("", try graph.events().cursor) }
        await failing("InvalidArgument") { try await node.createGraph(GraphProperties(), precedence: [""]) }
        await failing("InvalidTicket") { try await node.join("") }
        await failing("InvalidInvitation") { try await node.joinGroup("") }
        await failing("InvalidId") { try PeerId("") }
        for wrong in [NetworkMode.custom(relays: ["nonsense"], lookup: nil), .custom(relays: [], lookup: "nonsense")] {
            var config = NodeConfig.loopback()
            config.network = wrong
            do {
                _ = try await Node.start(config)
                Issue.record("started with \(wrong)")
            } catch {}
        }
        var config = NodeConfig.loopback()
        config.bind = [""]
        await failing("InvalidArgument") { [config] in try await Node.start(config) }
        await node.shutdown()
    }

    /// Tasks of one actor begin in the order in which they are made, and so do their calls, whose answers nobody waits for.
    @MainActor @Test func c43_callsOfTasksThatBeginInOrderTakeEffectInOrder() async throws {
        let node = try await node()
        for turn in 0..<10 {
            let graph = try await node.createGraph("order \(turn)")
            let record = try await graph.publish("u", "0")
            var (publishes, updates): ([Task<Record, any Error>], [Task<Record, any Error>]) = ([], [])
            for number in 0..<50 {
                publishes.append(Task { try await graph.publish("t", "\(number)") })
                updates.append(Task { try await graph.update(record.id, body: Data("\(number)".utf8)) })
            }
            // What is asked next comes after them, and so does the end.
            let listing = Task { try await graph.list(ListQuery(recordType: "t")) }
            let closing = Task { await graph.close() }
            #expect(try await listing.value.items.map(\.bodyText) == (0..<50).map { "\($0)" })
            for (number, update) in updates.enumerated() { #expect(try await update.value.version == UInt64(number + 2)) }
            for publish in publishes { _ = try await publish.value }
            await closing.value
        }
        await node.shutdown()
    }

    /// So do those that last, and can be cancelled.
    @MainActor @Test func c43_filesAreWrittenAndReadInTheOrderOfTheTasks() async throws {
        let dir = FileManager.default.temporaryDirectory.appendingPathComponent(UUID().uuidString)
        try FileManager.default.createDirectory(at: dir, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: dir) }
        let (node, other) = (try await node(), try await node())
        let graph = try await node.createGraph("order")
        try await graph.listen()
        let ticket = try await graph.ticket()
        var before = try await graph.exportDatabase(dir.appendingPathComponent("none"))
        for turn in 0..<10 {
            let file = dir.appendingPathComponent("backup \(turn)")
            let publishes = (0..<50).map { number in Task { try await graph.publish("t", "\(number)") } }
            let exporting = Task { try await graph.exportDatabase(file) }
            let listing = Task { try await graph.records(ListQuery(recordType: "t")).all() }
            let count = try await exporting.value
            #expect(count == before + 50)
            before = count
            #expect(try await listing.value.count == 50 * (turn + 1))
            for publish in publishes { _ = try await publish.value }

            let copy = try await other.openGraph(ticket, offline: true)
            let importing = Task { try await copy.importDatabase(file, exporter: node.peerId) }
            let publishing = Task { try await copy.publish("u", "after") }
            let listening = Task { try await copy.listen() }
            let imported = Task { try await copy.records(ListQuery(recordType: "t")).all() }
            let closing = Task { await copy.close() }
            let opening = Task { try await other.openGraph(ticket, offline: true) }
            #expect(try await imported.value.count == 50 * (turn + 1))
            #expect(try await importing.value.refused == 0)
            _ = try await publishing.value
            _ = try await listening.value
            await closing.value
            let opened = try await opening.value
            _ = try await opened.status()
            await opened.close()
        }
        await node.shutdown()
        await other.shutdown()
    }

    @MainActor @Test func c43_connectsJoinsAndIdentitiesHaveTheirPlaces() async throws {
        let (node, other) = (try await node(), try await node())
        let group = try await node.createGroup("order")
        let own = try await node.identities.default()
        for turn in 0..<10 {
            let renaming = Task { try await own.rename("before \(turn)") }
            let exporting = Task { try await own.export(password: "open sesame") }
            let again = Task { try await own.rename("after \(turn)") }
            let text = try await exporting.value
            try await renaming.value
            try await again.value
            let importing = Task { try await other.identities.import(text, password: "open sesame") }
            let listing = Task { try await other.identities.default() }
            let imported = try await importing.value
            _ = try await listing.value
            #expect(imported.name == "before \(turn)")
            try await imported.delete()
        }
        // What lasts is begun in its place, and ended by the shutdown after it.
        let link = try await group.inviteLink(uses: 9).text
        let joining = Task { try await other.joinGroup(link) }
        let direct = Task { try await group.openDirect(.peer(other.peerId)) }
        let ending = Task { await other.shutdown() }
        _ = await joining.result
        _ = await direct.result
        await ending.value
        await node.shutdown()
    }

    /// A node starts where another is shut down by a task before.
    @MainActor @Test func c43_aStartComesAfterTheShutdownBeforeIt() async throws {
        let dir = FileManager.default.temporaryDirectory.appendingPathComponent(UUID().uuidString)
        defer { try? FileManager.default.removeItem(at: dir) }
        var config = NodeConfig.loopback()
        config.dataDir = dir
        var node = try await Node.start(config)
        for _ in 0..<5 {
            let ending = Task { [node] in await node.shutdown() }
            let starting = Task { [config] in try await Node.start(config) }
            node = try await starting.value
            await ending.value
        }
        await node.shutdown()
    }

    /// A call that is refused or cancelled before it is made holds up no other.
    @MainActor @Test func c43_callsThatAreNotMadeHoldNobodyUp() async throws {
        let node = try await node()
        let graph = try await node.createGraph("order")
        var tasks: [Task<Void, any Error>] = []
        for number in 0..<50 {
            tasks.append(Task { try await graph.publish("a/b", "\(number)") })
            let cancelled = Task { _ = try await graph.publish("t", "\(number)") }
            cancelled.cancel()
            tasks.append(cancelled)
        }
        _ = try await within(patience, "the call after them") { try await graph.publish("t", "last") }
        for task in tasks { _ = await task.result }
        await node.shutdown()
    }

    @Test func k21_datesBefore1970AreKept() async throws {
        let node = try await node()
        let graph = try await node.createGraph("born")
        let (first, last) = (-62_135_596_800_000.0, 253_402_300_799_999.0)
        for milliseconds in [-149_810_339_877, -1, first, last] {
            let born = Value.time(value: Date(timeIntervalSince1970: milliseconds / 1000))
            let record = try await graph.publish("t", "", attributes: ["born": born])
            guard case .time(let kept)? = try await graph.get(record.id)?["born"] else {
                Issue.record("not kept"); return
            }
            #expect((kept.timeIntervalSince1970 * 1000).rounded() == milliseconds)
        }
        for far in [first - 1, last + 1] {
            let value = Value.time(value: Date(timeIntervalSince1970: far / 1000))
            await failing("InvalidArgument") { try await graph.publish("t", "", attributes: ["born": value]) }
        }
        await node.shutdown()
    }

    @Test func c42_aVersionThatLostIsListedUntilItIsAcknowledged() async throws {
        let (one, two) = (try await node(), try await node())
        let here = try await one.createGraph("conflicts")
        try await here.listen()
        let id = try await here.publish("t", "first").id
        let there = try await two.join(try await here.ticket())
        // Apart, each changes it.
        try await two.pause()
        try await eventually("apart") { try await here.neighbors().isEmpty }
        try await here.update(id, body: Data("here".utf8))
        try await there.update(id, body: Data("there".utf8))
        try await two.resume()
        for graph in [here, there] {
            try await eventually("the conflict is known") { try await graph.conflicts().items.count == 1 }
            let conflict = try #require(try await graph.conflicts(record: id).items.first)
            #expect(Set([conflict.winner.bodyText, conflict.loser.bodyText]) == ["here", "there"])
            #expect(try await graph.get(id)?.bodyText == conflict.winner.bodyText)
            let events = try graph.events(EventFilter(.recordChanged), start: .snapshot)
            let told = try await find(events) { if case .recordChanged(_, _, _, let loser, _) = $0 { loser } else { nil } }
            #expect(told.bodyText == conflict.loser.bodyText && told.element == conflict.loser.element)
            #expect(try await graph.acknowledgeConflict(told))
            #expect(try await graph.acknowledgeConflict(conflict.loser) == false)
            #expect(try await graph.conflicts().items.isEmpty)
        }
        await one.shutdown()
        await two.shutdown()
    }

    @Test func c34_whatIsHereIsOpenedOnlineAndOfflineIfSoWanted() async throws {
        let dir = FileManager.default.temporaryDirectory.appendingPathComponent(UUID().uuidString)
        defer { try? FileManager.default.removeItem(at: dir) }
        var config = NodeConfig.loopback()
        config.dataDir = dir
        let there = try await node()
        let club = try await there.createGroup("club")
        let first = try await Node.start(config)
        _ = try await first.joinGroup(try await club.inviteLink())
        await first.shutdown()
        try await eventually("alone") { try await club.neighbors().isEmpty }
        let again = try await Node.start(config)
        let group = try await again.openGroup(club.id)
        let sent = try await club.publish("t", "meanwhile")
        try await eventually("online by itself") { try await group.get(sent.id) != nil }
        await group.close()
        try await eventually("alone again") { try await club.neighbors().isEmpty }
        let silent = try await again.openGroup(club.id, offline: true)
        #expect(try await silent.status() == Status(listening: false, hasConnections: false, synchronized: false))
        await again.shutdown()
        await there.shutdown()
    }

    @Test func c7_aJoinTellsHowFarItIs() async throws {
        let (one, two, count) = (try await node(), try await node(), 3_000)
        let here = try await one.createGroup("large")
        try await withThrowingTaskGroup(of: Void.self) { group in
            for turn in 0..<count { group.addTask { try await here.publish("t", "\(turn)") } }
            try await group.waitForAll()
        }
        let told = Locked<[SyncProgress]>([])
        let there = try await two.joinGroup(try await here.inviteLink()) { progress in told.with { $0.append(progress) } }
        let seen = told.with { $0 }
        let last = try #require(seen.last)
        #expect(last.records >= UInt64(count) && last.records == last.recordsExpected, "\(seen)")
        #expect(seen.map(\.records) == seen.map(\.records).sorted())
        #expect(try await there.syncProgress() == nil)
        #expect(try await there.records(ListQuery(recordType: "t")).all().count == count)
        #expect(try await there.status().clockSkewMs == nil)
        #expect(try await !there.publish("t", "now").held)
        await one.shutdown()
        await two.shutdown()
    }

    @Test func k20_datesThatCannotBeKeptAreRefusedByName() async throws {
        let node = try await node()
        let graph = try await node.createGraph("far")
        let before = Date(timeIntervalSince1970: -1)
        await failing("InvalidArgument") { try await graph.publish("t", "", expires: before) }
        await failing("InvalidArgument") { try await graph.toPeerTime(before) }
        for far in [.nan, .infinity, -.infinity, 1e16, -1e16, .greatestFiniteMagnitude].map({ Date(timeIntervalSince1970: $0) }) + [.distantFuture.addingTimeInterval(1e300)] {
            for attribute in [Value.time(value: far), [.time(value: far)]] {
                do {
                    try await graph.publish("t", "", attributes: ["born": attribute])
                    Issue.record("published \(far.timeIntervalSince1970)")
                } catch {
                    #expect(error.kind == "InvalidArgument" && error.message.contains("born"))
                }
            }
            await failing("InvalidArgument") { try await graph.publish("t", "", expires: far) }
            await failing("InvalidArgument") { try await graph.update(RecordId(bytes: Data(count: 16)), expires: far) }
            await failing("InvalidArgument") { try await graph.toPeerTime(far) }
            await failing("InvalidArgument") { try await graph.toLocalTime(far) }
        }
        await node.shutdown()
    }

    @Test func c28_k13_whatTheSystemSaidIsTold() async throws {
        let file = FileManager.default.temporaryDirectory.appendingPathComponent(UUID().uuidString)
        try Data().write(to: file)
        defer { try? FileManager.default.removeItem(at: file) }
        do {
            _ = try await Node.open(file.appendingPathComponent("data"))
            Issue.record("opened below a file")
        } catch {
            #expect(error.kind == "Storage" && error.osError == ENOTDIR, "\(error)")
            #expect(error.path == file.appendingPathComponent("data").path && error.address == nil)
            #expect(error.message.contains(file.path) && !error.message.contains("\0") && !"\(error)".contains("\0"))
        }
        let node = try await node()
        var config = NodeConfig.loopback()
        config.bind = node.bound
        do {
            _ = try await Node.start(config)
            Issue.record("bound what is bound")
        } catch {
            #expect(error.kind == "Network" && error.osError == EADDRINUSE && error.address == node.bound[0], "\(error)")
        }
        await node.shutdown()
    }

    @Test func k22_whatIsWrongWithTheConfigurationIsSaidAsItIs() async throws {
        let dir = FileManager.default.temporaryDirectory.appendingPathComponent(UUID().uuidString)
        defer { try? FileManager.default.removeItem(at: dir) }
        var config = NodeConfig.loopback()
        config.dataDir = dir
        config.keyProtection = .passphrase(passphrase: "x")
        config.keySource = { Data() }
        await failing("InvalidArgument") { [config] in try await Node.start(config) }
        config.keyProtection = .plain
        config.keySource = { throw CancellationError() }
        await failing("Cancelled") { [config] in try await Node.start(config) }
        config.keySource = { throw Late(description: "no key store") }
        await failing("KeyAccess") { [config] in try await Node.start(config) }
        await failing("InvalidArgument") { [config] in
            var short = config
            short.keySource = { Data(count: 3) }
            return try await Node.start(short)
        }
    }
}

import ChatModel
import Foundation
import Peergraph
import Testing

struct Late: Error, CustomStringConvertible { let description: String }

/// What a screen shows, against a real group on the loopback interface.
@MainActor @Suite struct ModelTests {
    private let dir = FileManager.default.temporaryDirectory.appendingPathComponent(UUID().uuidString)

    private func model(_ name: String) -> ChatModel {
        var config = NodeConfig.loopback()
        config.dataDir = dir.appendingPathComponent(name)
        return ChatModel(config)
    }

    private func shows(_ model: ChatModel, _ what: String, _ fits: (ChatState) -> Bool) async throws {
        let begun = ContinuousClock.now
        while !fits(model.state) {
            if ContinuousClock.now - begun > .seconds(30) { throw Late(description: "\(what): \(said(model.state)) \(model.state.present)") }
            try await Task.sleep(for: .milliseconds(5))
        }
    }

    private func said(_ state: ChatState) -> [String] { state.messages.map { "\($0.author): \($0.text)" } }

    @Test func twoTalkAndWhoComesLaterReadsWhatWasSaid() async throws {
        defer { try? FileManager.default.removeItem(at: dir) }
        let (ann, ben) = (model("ann"), model("ben"))
        await ann.create("Book club", as: "Ann")
        await ann.send("who is there?")
        let link = try #require(await ann.invite())
        await ben.join(link.text + "\n", as: "Ben")
        try await shows(ben, "history") { said($0) == ["Ann: who is there?"] && $0.present == ["Ann", "Ben"] }
        #expect(ben.state.title == "Book club")
        await ben.send("I am")
        try await shows(ann, "answer") { said($0) == ["Ann: who is there?", "Ben: I am"] && $0.present == ["Ann", "Ben"] }

        await ann.whisper(to: "Ben", "good")
        try await shows(ben, "whisper") { $0.messages.last?.isPrivate == true && $0.messages.count == 3 }
        #expect(said(ann.state).last == "me to Ben: good")
        await ann.whisper(to: "Cyd", "hello?")
        #expect(ann.state.error?.contains("Cyd is not here") == true)

        // An application in the background is not there; back, it has what was said meanwhile.
        await ben.pause()
        try await shows(ann, "alone") { $0.present == ["Ann"] }
        await ann.send("gone?")
        await ben.resume()
        try await shows(ben, "what was missed") { said($0).last == "Ann: gone?" }
        try await shows(ann, "back") { $0.present == ["Ann", "Ben"] }

        await ben.close()
        try await shows(ann, "alone again") { $0.present == ["Ann"] }
        // The same device later: its group is there, and so are the others.
        let again = model("ben")
        await again.reopen()
        try await shows(again, "reopened") { $0.messages.count == 3 && $0.present == ["Ann", "Ben"] }
        #expect(again.state.error == nil)
        await again.close()
        await ann.close()
    }

    @Test func k6_whatIsCancelledLeavesNoGroupThatTheNextStartWouldBeStuckWith() async throws {
        defer { try? FileManager.default.removeItem(at: dir) }
        let first = model("a")
        await first.reopen()
        for turn in 0..<20 where first.state.title == nil {
            let creating = Task { await first.create("half", as: "Ann") }
            try await Task.sleep(for: .milliseconds(turn))
            creating.cancel()
            await creating.value
        }
        await first.close()
        let again = model("a")
        await again.reopen()
        #expect(again.state.error == nil)
        if again.state.title == nil { await again.create("whole", as: "Ann") }
        await again.send("it works")
        try await shows(again, "message") { said($0) == ["Ann: it works"] }
        await again.close()
    }

    @Test func k8_comingBackAloneWaitsForNobodyAndPausingForNoJoin() async throws {
        defer { try? FileManager.default.removeItem(at: dir) }
        let (ann, ben) = (model("ann"), model("ben"))
        await ann.create("Book club", as: "Ann")
        let link = try #require(await ann.invite())
        await ben.join(link.text, as: "Ben")
        await ben.close()
        await ann.close()
        // Nobody is there; the group is.
        let again = model("ben")
        await again.reopen()
        #expect(again.state.title == "Book club")
        await again.send("alone")
        try await shows(again, "message") { said($0) == ["Ben: alone"] }
        await again.pause()
        await again.resume()
        #expect(again.state.error == nil)
        await again.close()
        // A join that waits for somebody who is gone.
        let cyd = model("cyd")
        await cyd.reopen()
        let joining = Task { await cyd.join(link.text, as: "Cyd") }
        try await shows(cyd, "join") { $0.isBusy }
        await cyd.pause()
        await cyd.resume()
        await cyd.close()
        await joining.value
        #expect(cyd.state.title == nil)
    }

    @Test func k23_aDoubleTapMakesOneGroup() async throws {
        defer { try? FileManager.default.removeItem(at: dir) }
        let ann = model("a")
        let taps = (0..<2).map { _ in Task { await ann.create("once", as: "Ann") } }
        for tap in taps { await tap.value }
        #expect(ann.state.error?.hasPrefix("AlreadyExists") == true)
        await ann.close()
    }

    @Test func whatGoesWrongIsTold() async throws {
        defer { try? FileManager.default.removeItem(at: dir) }
        let ann = model("a")
        await ann.send("too early")
        #expect(ann.state.error?.hasPrefix("Closed") == true)
        await ann.join("no link", as: "Ann")
        #expect(ann.state.error?.hasPrefix("InvalidInvitation") == true)
        await ann.create("a", as: "Ann")
        #expect(ann.state.error == nil)
        await ann.create("b", as: "Ann")
        #expect(ann.state.error?.hasPrefix("AlreadyExists") == true)
        await ann.send(String(repeating: "x", count: 2 << 20))
        #expect(ann.state.error?.hasPrefix("TooLarge") == true)
        let same = model("a")
        await same.reopen()
        #expect(same.state.error?.hasPrefix("DirectoryInUse") == true)
        await ann.close()
    }
}

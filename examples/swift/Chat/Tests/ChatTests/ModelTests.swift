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

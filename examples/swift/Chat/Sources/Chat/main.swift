import ChatModel
import Foundation
import Peergraph

let usage = """
    A chat: "chat NAME" makes a group, or goes on with the one there is; "chat NAME INVITATION" joins one.
    Its data is in a folder chat-NAME. Write a line to say it to all, or:
      /to NAME TEXT   to say it to one who is here; kept nowhere
      /who            who is here
      /invite         a link for others, and its code
      /quit           the end; so does Ctrl-D
    """

func complain(_ text: String) { FileHandle.standardError.write(Data((text + "\n").utf8)) }

/// The lines of a terminal, below which the prompt stays.
@MainActor final class Screen {
    private let prompts = isatty(STDIN_FILENO) == 1 && isatty(STDOUT_FILENO) == 1
    private var shown: Set<UUID> = []
    private var present: [String] = []
    private var error: String?
    private var progress: Double?

    func line(_ text: String) {
        put((prompts ? "\r\u{1B}[K" : "") + text + "\n")
        prompt()
    }

    func prompt() { if prompts { put("> ") } }

    /// A bar in the place of the prompt, for people only.
    private func show(_ progress: Double?) {
        guard prompts else { return }
        let filled = Int((progress ?? 0) * 40)
        let bar = String(repeating: "#", count: filled) + String(repeating: " ", count: 40 - filled)
        put("\r\u{1B}[K" + (progress.map { "[\(bar)] \(Int($0 * 100)) %" } ?? "> "))
    }

    private func put(_ text: String) { FileHandle.standardOutput.write(Data(text.utf8)) }

    private func bold(_ text: String, _ color: Int) -> String { prompts ? "\u{1B}[1;\(color)m\(text)\u{1B}[0m" : text }

    /// Writes what is new.
    func show(_ state: ChatState) {
        for message in state.messages where shown.insert(message.id).inserted {
            let author = message.author + (message.isPrivate ? " (private)" : "") + ":"
            line("\(bold(author, message.isPrivate ? 35 : 34)) \(message.text)")
        }
        for name in state.present where !present.contains(name) { line("(\(name) is here)") }
        for name in present where !state.present.contains(name) { line("(\(name) is gone)") }
        if let error = state.error, error != self.error { line(bold(error, 31)) }
        if state.progress != progress { show(state.progress) }
        (present, error, progress) = (state.present, state.error, state.progress)
    }
}

@MainActor func obey(_ line: String, _ model: ChatModel, _ screen: Screen) async {
    let words = line.split(separator: " ", maxSplits: 2).map(String.init)
    switch words.first {
    case nil: screen.prompt()
    case "/who": screen.line(model.state.present.joined(separator: ", "))
    case "/invite":
        if let link = await model.invite() { screen.line(((try? link.qrText()) ?? "") + "\n" + link.text) }
    case "/to" where words.count == 3: await model.whisper(to: words[1], words[2])
    case let word? where word.hasPrefix("/"): screen.line(usage)
    default: await model.send(line)
    }
}

@MainActor func chat(_ name: String, _ invitation: String?) async -> Int32 {
    let model = ChatModel(NodeConfig(dataDir: URL(fileURLWithPath: "chat-\(name)")))
    let screen = Screen()
    model.onChange = { screen.show($0) }
    if let invitation { await model.join(invitation, as: name) } else { await model.reopen() }
    if invitation == nil, model.state.title == nil, model.state.error == nil { await model.create("Chat", as: name) }
    guard model.state.title != nil else {
        complain(model.state.error ?? "")
        await model.close()
        return 1
    }
    screen.show(model.state)
    if invitation == nil { await obey("/invite", model, screen) }
    let lines = AsyncStream<String> { lines in
        Thread.detachNewThread {
            while let line = readLine() { lines.yield(line) }
            lines.finish()
        }
    }
    for await line in lines {
        if line == "/quit" { break }
        await obey(line, model, screen)
    }
    await model.close()
    return 0
}

let words = CommandLine.arguments.dropFirst()
guard let name = words.first, words.count <= 2, !name.isEmpty, !name.hasPrefix("-") else {
    complain(usage)
    exit(2)
}
exit(await chat(name, words.dropFirst().first))

import Foundation
import Testing

/// The program itself, by its lines.
private final class Running: @unchecked Sendable {
    private let process = Process()
    private let (input, output) = (Pipe(), Pipe())
    private let lock = NSLock()
    private var lines: [String] = []
    private var rest = ""

    init(_ folder: URL, _ arguments: [String]) throws {
        process.executableURL = URL(fileURLWithPath: CommandLine.arguments[0]).deletingLastPathComponent().appendingPathComponent("Chat")
        process.arguments = arguments
        process.currentDirectoryURL = folder
        (process.standardInput, process.standardOutput, process.standardError) = (input, output, output)
        try process.run()
        let reading = output.fileHandleForReading
        Thread.detachNewThread { [weak self] in
            while case let data = reading.availableData, !data.isEmpty { self?.take(data) }
        }
    }

    deinit { process.terminate() }

    private func take(_ data: Data) {
        lock.withLock {
            var parts = (rest + String(decoding: data, as: UTF8.self)).components(separatedBy: "\n")
            rest = parts.removeLast()
            lines += parts
        }
    }

    func says(_ what: String, _ fits: (String) -> Bool) async throws -> String {
        let begun = ContinuousClock.now
        while ContinuousClock.now - begun < .seconds(60) {
            if let line = lock.withLock({ lines.first(where: fits) }) { return line }
            try await Task.sleep(for: .milliseconds(10))
        }
        throw Late(description: "no \(what) in \(lock.withLock { lines })")
    }

    func type(_ line: String) throws { try input.fileHandleForWriting.write(contentsOf: Data((line + "\n").utf8)) }

    func ends() async throws -> Int32 {
        try input.fileHandleForWriting.close()
        let begun = ContinuousClock.now
        while process.isRunning {
            if ContinuousClock.now - begun > .seconds(60) { throw Late(description: "it does not end") }
            try await Task.sleep(for: .milliseconds(10))
        }
        return process.terminationStatus
    }
}

@Suite(.serialized) struct ProcessTests {
    private let dir: URL

    init() throws {
        dir = FileManager.default.temporaryDirectory.appendingPathComponent(UUID().uuidString)
        try FileManager.default.createDirectory(at: dir, withIntermediateDirectories: true)
    }

    @Test func twoProcessesChat() async throws {
        defer { try? FileManager.default.removeItem(at: dir) }
        let ann = try Running(dir, ["Ann"])
        let link = try await ann.says("link") { $0.hasPrefix("peergraph-invitation:") }
        let ben = try Running(dir, ["Ben", link])
        _ = try await ann.says("arrival") { $0 == "(Ben is here)" }
        try ann.type("hello")
        _ = try await ben.says("greeting") { $0 == "Ann: hello" }
        try ben.type("/to Ann a secret")
        _ = try await ann.says("secret") { $0 == "Ben (private): a secret" }
        try ben.type("/who")
        _ = try await ben.says("list") { $0 == "Ann, Ben" }
        try ben.type("/to Cyd hello")
        _ = try await ben.says("error") { $0.hasPrefix("NotFound: ") && $0.contains("Cyd is not here") }
        #expect(try await ben.ends() == 0)
        _ = try await ann.says("farewell") { $0 == "(Ben is gone)" }
        try ann.type("/quit")
        #expect(try await ann.ends() == 0)
        // What there is goes on.
        let again = try Running(dir, ["Ann"])
        _ = try await again.says("history") { $0 == "Ann: hello" }
        #expect(try await again.ends() == 0)
    }

    @Test func wrongInputIsToldInWords() async throws {
        defer { try? FileManager.default.removeItem(at: dir) }
        _ = FileManager.default.createFile(atPath: dir.appendingPathComponent("chat-Dan").path, contents: Data())
        for (code, words, arguments) in [
            (2, "makes a group", []), (2, "makes a group", ["--help"]), (1, "InvalidInvitation", ["Ann", "no link"]),
            (1, "Storage", ["Dan"]),
        ] as [(Int32, String, [String])] {
            let chat = try Running(dir, arguments)
            _ = try await chat.says(words) { $0.contains(words) }
            #expect(try await chat.ends() == code)
        }
    }
}

import Foundation
import Peergraph
import Testing

private let ends = ["exit", "shutdown", "close", "cancel", "return"]

/// What an executable of this package does when it runs beside the tests.
private func run(
    _ name: String, _ argument: String, limit: Duration = patience * 2
) async throws -> (code: Int32, out: String, err: String) {
    let folder = URL(fileURLWithPath: CommandLine.arguments[0]).deletingLastPathComponent()
    let (process, out, err) = (Process(), Pipe(), Pipe())
    process.executableURL = folder.appendingPathComponent(name)
    process.arguments = [argument]
    (process.standardOutput, process.standardError) = (out, err)
    try process.run()
    // Of what hangs nothing is learned but that it does; what it has said is read all the same.
    let end = Task {
        try await Task.sleep(for: limit)
        process.terminate()
    }
    let texts = await Task.detached {
        [out, err].map { String(decoding: $0.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self) }
    }.value
    process.waitUntilExit()
    end.cancel()
    return (process.terminationStatus, texts[0], texts[1])
}

@Suite(.serialized) struct ProcessTests {
    @Test(arguments: 0..<25) func e23_processes_end_clean_with_a_busy_producer(turn: Int) async throws {
        let (code, out, err) = try await run("PeergraphBusy", ends[turn % ends.count])
        #expect((code, out, err) == (0, "t\n", ""))
    }

    /// 200 MB of records, and nobody reads while they come. What is needed for 50 MB (about 80) is needed for 400 MB (about 90).
    @Test func k9_manyLargeRecordsAreReadWithLittleMemory() async throws {
        let (code, out, err) = try await run("PeergraphHeavy", "200", limit: patience * 10)
        #expect((code, err) == (0, ""))
        let lines = out.split(separator: "\n")
        #expect(lines.dropLast() == ["live: 200", "snapshot: 200", "records: 200"])
        let most = lines.last.flatMap { Int($0.dropFirst("memory: ".count)) }
        #expect(try #require(most) < 150, "\(out)")
    }

    @Test func theProcessMindsItsArgument() async throws {
        #expect(try await run("PeergraphBusy", "dance").code == 2)
    }
}

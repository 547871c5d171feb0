import Foundation
import Peergraph
import Testing

/// The longest that anything may take, on a busy machine too.
let patience = Duration.seconds(30)

struct Late: Error, CustomStringConvertible {
    let description: String
}

/// Waits until something is so.
func eventually(_ what: String, _ condition: () async throws -> Bool) async throws {
    let begun = ContinuousClock.now
    while !(try await condition()) {
        if ContinuousClock.now - begun > patience { throw Late(description: "\(what) does not come to be") }
        try await Task.sleep(for: .milliseconds(5))
    }
}

/// What comes of a call, or `Late`: then the call is cancelled.
func within<T: Sendable>(
    _ limit: Duration, _ what: String, _ call: @escaping @Sendable () async throws -> T
) async throws -> T {
    try await withThrowingTaskGroup(of: T.self) { group in
        group.addTask { try await call() }
        group.addTask {
            try await Task.sleep(for: limit)
            throw Late(description: "\(what) does not come to an end")
        }
        defer { group.cancelAll() }
        return try await group.next()!
    }
}

func node() async throws -> Node {
    try await Node.start(.loopback())
}

/// A call must fail with an error of this name.
func failing(_ kind: String, _ call: () async throws -> Any?) async {
    do {
        let result = try await call()
        Issue.record("should have failed with \(kind): \(String(describing: result))")
    } catch let error as PeergraphError {
        #expect(error.kind == kind, "\(error.message)")
    } catch {
        Issue.record("\(error)")
    }
}

extension Event {
    /// The text of the record that changed.
    var text: String? {
        if case .recordChanged(_, let record, _, _, _) = self { record.bodyText } else { nil }
    }
}

/// The next event, which must come in time.
func soon(_ events: EventStream) async throws -> Event {
    guard let event = try await within(patience, "the wait for an event", { await events.next() }) else {
        throw Late(description: "the stream has ended")
    }
    return event
}

/// The first that a function makes something of; those before it are passed over.
func find<T>(_ events: EventStream, _ fits: (Event) -> T?) async throws -> T {
    while true { if let found = fits(try await soon(events)) { return found } }
}

extension Event {
    /// Its kind, as the schema has it.
    var kind: String { snake(Mirror(reflecting: self).children.first?.label ?? "\(self)") }
}

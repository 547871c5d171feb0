import Foundation
import PeergraphCore

extension Record {
    /// The body as text; nil if it is not UTF-8.
    public var bodyText: String? { String(data: body, encoding: .utf8) }

    /// An attribute; nil if there is none.
    public subscript(attribute: String) -> Value? { attributes[attribute] }
}

extension Value: ExpressibleByStringLiteral, ExpressibleByIntegerLiteral, ExpressibleByFloatLiteral,
    ExpressibleByBooleanLiteral, ExpressibleByArrayLiteral
{
    public init(stringLiteral value: String) { self = .text(value: value) }
    public init(integerLiteral value: Int64) { self = .integer(value: value) }
    public init(floatLiteral value: Double) { self = .float(value: value) }
    public init(booleanLiteral value: Bool) { self = .boolean(value: value) }
    public init(arrayLiteral elements: Value...) { self = .several(values: elements) }
}

/// Pages of records, as they were at the first page.
public struct RecordPages: AsyncSequence, Sendable {
    public typealias Element = [Record]

    let graph: Graph
    let query: ListQuery

    public func makeAsyncIterator() -> Iterator {
        Iterator(graph: graph, next: query)
    }

    public struct Iterator: AsyncIteratorProtocol {
        let graph: Graph
        var next: ListQuery?

        /// The next page; nil when all have been seen. After an error the same page can be asked for again.
        public mutating func next() async throws -> [Record]? {
            try await next(isolation: nil)
        }

        /// The same, in its place among the calls of the caller's actor.
        public mutating func next(isolation actor: isolated (any Actor)?) async throws -> [Record]? {
            guard var query = next else { return nil }
            let page = try await graph.list(query, isolation: actor)
            query.after = page.next
            query.through = page.through
            next = page.next == nil ? nil : query
            return page.items.isEmpty ? nil : page.items
        }
    }

    /// All of them.
    public func all(isolation: isolated (any Actor)? = #isolation) async throws -> [Record] {
        var (all, pages): ([Record], Iterator) = ([], makeAsyncIterator())
        while let page = try await pages.next(isolation: isolation) { all += page }
        return all
    }
}

extension EventFilter {
    /// All events of these kinds.
    public init(_ kind: EventKind, _ others: EventKind...) {
        self.init(kinds: [kind] + others, recordTypes: [], authors: [], dataTypes: [])
    }
}

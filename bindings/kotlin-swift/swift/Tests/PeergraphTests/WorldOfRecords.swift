import Foundation
import Peergraph

private func value(_ text: String) throws -> Value {
    guard let at = text.firstIndex(of: ":") else { throw Wrong("\(text) is no value of an attribute") }
    let rest = String(text[text.index(after: at)...])
    switch text[..<at] {
    case "text": return .text(value: rest)
    case "int": if let number = Int64(rest) { return .integer(value: number) }
    case "float": if let number = Double(rest) { return .float(value: number) }
    case "bool": if let flag = Bool(rest) { return .boolean(value: flag) }
    case "time": if let at = Double(rest) { return .time(value: Date(timeIntervalSince1970: at)) }
    case "bytes": return .bytes(value: try bytes(rest))
    case "list": return .several(values: try rest.split(separator: ",").map { try value(String($0)) })
    default: break
    }
    throw Wrong("\(text) is no value of an attribute")
}

private func shown(_ value: Value) -> String {
    switch value {
    case .text(let text): "text:\(text)"
    case .integer(let number): "int:\(number)"
    case .float(let number): "float:\(number)"
    case .boolean(let flag): "bool:\(flag)"
    case .time(let at): "time:\(Int64(at.timeIntervalSince1970))"
    case .bytes(let bytes): "bytes:\(hex(bytes))"
    case .several(let values): "list:\(joined(values.map(shown)))"
    }
}

private func record(_ record: Record) -> Facts {
    var told: Facts = [
        "id": "\(record.id)", "type": record.recordType, "version": "\(record.version)",
        "text": orNone(record.bodyText), "creator": "\(record.creator)", "author": "\(record.author)",
        "deleted": "\(record.deleted)", "expires": "\(record.expires != nil)",
    ]
    for (name, value) in record.attributes { told["attribute.\(name)"] = shown(value) }
    return told
}

extension World {
    private func attributes(_ step: Step) throws -> [String: Value]? {
        let all = try Dictionary(uniqueKeysWithValues: step.starting("attribute.").map { ($0.0, try value($0.1)) })
        return all.isEmpty ? nil : all
    }

    func records(_ step: Step) async throws -> Facts? {
        let expires = try step.read("expires", as: Double.self).map { Date().addingTimeInterval($0) }
        switch step.verb {
        case "publish":
            return record(
                try await graph(step.names[1]).publish(
                    step.need("type"), step.opt("body") ?? "", attributes: attributes(step) ?? [:], expires: expires))
        case "update":
            return record(
                try await graph(step.names[1]).update(
                    RecordId(step.need("id")), body: step.opt("body").map { Data($0.utf8) },
                    attributes: attributes(step), expires: expires, expectedVersion: step.read("expected_version")))
        case "get":
            let found = try await graph(step.names[1]).get(RecordId(step.need("id")))
            return (found.map(record) ?? [:]).merging(["found": "\(found != nil)"]) { $1 }
        case "delete": return ["version": "\(try await graph(step.names[0]).delete(RecordId(step.need("id"))))"]
        case "conflicts":
            let record = try step.opt("record").map { try RecordId($0) }
            let found = try await graph(step.names[1]).conflicts(record: record).items
            conflicts[step.names[0]] = found
            return [
                "count": "\(found.count)", "winner": orNone(found.first?.winner.bodyText),
                "loser": orNone(found.first?.loser.bodyText),
            ]
        case "acknowledge-conflict":
            guard let first = conflicts[try step.need("conflict")]?.first else {
                throw Wrong("no conflict was found under this name")
            }
            return ["known": "\(try await graph(step.names[0]).acknowledgeConflict(first.loser))"]
        case "list":
            var query = ListQuery(recordType: step.opt("type"))
            query.creator = try step.opt("creator").map { try PeerId($0) }
            query.includeDeleted = try step.read("include_deleted") ?? false
            query.includeReserved = try step.read("include_reserved") ?? false
            query.limit = try step.read("page_size") ?? 0
            var (all, pages): ([Record], Int) = ([], 0)
            for try await page in try graph(step.names[0]).records(query) {
                all += page
                pages += 1
            }
            return ["count": "\(all.count)", "texts": joined(all.map { orNone($0.bodyText) }), "pages": "\(pages)"]
        default: return nil
        }
    }

    func events(_ step: Step) async throws -> Facts? {
        let name = step.names[0]
        switch step.verb {
        case "events":
            let kinds = try step.words("kinds").map { word in
                let kinds: [EventKind] = [
                    .statusChanged, .propertyChanged, .recordChanged, .directConnection, .neighborConnection, .incomingData,
                    .connectionRequired, .nodeChanged, .synchronized, .memberChanged, .connectionFailed,
                    .syncProgress,
                ]
                guard let kind = kinds.first(where: { snake($0) == word }) else {
                    throw Wrong("no kind of event is called \(word)")
                }
                return kind
            }
            let filter = EventFilter(
                kinds: kinds, recordTypes: step.words("types"),
                authors: try step.words("authors").map { try PeerId($0) }, dataTypes: step.words("data_types"))
            var start = Start.now
            if try step.read("snapshot") ?? false { start = .snapshot }
            else if let after = step.opt("after") { start = .after(cursor: try bytes(after)) }
            streams[name] = try graph(step.names[1]).events(filter, start: start, capacity: step.read("capacity"))
            return [:]
        case "next", "find":
            let stream = try stream(name)
            do {
                let told = try await within(patience, "the wait") { await stream.next() }
                return told.map(event) ?? ["kind": "end"]
            } catch is Late {
                throw Wrong("no event in time")
            }
        case "drain":
            let all = try stream(name).drain()
            return ["count": "\(all.count)", "kinds": sorted(Set(all.map { event($0)["kind"]! }))]
        case "cursor": return ["cursor": hex(try stream(name).cursor)]
        case "close-events":
            try stream(name).close()
            return [:]
        case "save-cursor":
            try await graph(name).saveCursor(step.need("name"), bytes(step.need("cursor")))
            return [:]
        case "load-cursor":
            let found = try await graph(step.names[1]).loadCursor(step.need("name"))
            return ["cursor": orNone(found.map(hex))]
        default: return nil
        }
    }
}

private func connection(
    _ kind: String, _ change: ConnectionChange, _ connection: UInt64, _ node: NodeId?, _ peer: PeerId?
) -> Facts {
    var told: Facts = [
        "kind": kind, "connection": "\(connection)", "node": orNone(node), "peer": orNone(peer), "reason": "none",
        "hop": "none",
    ]
    switch change {
    case .connected: told["change"] = "connected"
    case .disconnected(let reason): told.merge(["change": "disconnected", "reason": snake(reason)]) { $1 }
    case .failed(let reason): told.merge(["change": "failed", "reason": snake(reason)]) { $1 }
    case .referred(let hop, _): told.merge(["change": "referred", "hop": "\(hop)"]) { $1 }
    }
    return told
}

/// What an event tells. Exhaustive on purpose.
private func event(_ event: Event) -> Facts {
    switch event {
    case .statusChanged(let now):
        return [
            "kind": "status_changed", "listening": "\(now.listening)", "connections": "\(now.hasConnections)",
            "synchronized": "\(now.synchronized)",
        ]
    case .propertyChanged(let changed, let now):
        return properties(now).merging(["kind": "property_changed", "changed": sorted(changed)]) { $1 }
    case .recordChanged(let change, let now, let origin, let conflict, let cursor):
        return record(now).merging([
            "kind": "record_changed", "change": snake(change), "origin": snake(origin), "conflict": "\(conflict != nil)",
            "cursor": hex(cursor),
        ]) { $1 }
    case .directConnection(let change, let id, let node, let peer):
        return connection("direct_connection", change, id, node, peer)
    case .neighborConnection(let change, let id, let node, let peer):
        return connection("neighbor_connection", change, id, node, peer)
    case .incomingData(let id, let kind, let node, let peer, let type, let data):
        return [
            "kind": "incoming_data", "connection": "\(id)", "link": snake(kind), "node": "\(node)", "peer": "\(peer)",
            "type": type, "data": String(decoding: data, as: UTF8.self),
        ]
    case .connectionRequired(let reason): return ["kind": "connection_required", "reason": snake(reason)]
    case .nodeChanged(let change, let node):
        return [
            "kind": "node_changed", "change": snake(change), "node": "\(node.node)", "peer": "\(node.peer)",
            "attributes": node.attributes,
        ]
    case .synchronized(let type): return ["kind": "synchronized", "type": orNone(type)]
    case .memberChanged(let change, let member):
        return [
            "kind": "member_changed", "change": snake(change), "peer": "\(member.peer)", "name": member.name,
            "role": orNone(member.role.map(snake)),
        ]
    case .connectionFailed(let reason): return ["kind": "connection_failed", "reason": snake(reason)]
    case .syncProgress(let now):
        return ["kind": "sync_progress", "records": "\(now.records)", "expected": "\(now.recordsExpected)"]
    case .lagged(let dropped): return ["kind": "lagged", "dropped": "\(dropped)"]
    case .reset: return ["kind": "reset"]
    case .caughtUp(let cursor): return ["kind": "caught_up", "cursor": hex(cursor)]
    }
}

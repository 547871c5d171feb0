import Foundation
import Peergraph

func joined<T>(_ items: some Sequence<T>) -> String { items.map { "\($0)" }.joined(separator: ",") }

func sorted<T>(_ items: some Sequence<T>) -> String { items.map { "\($0)" }.sorted().joined(separator: ",") }

func orNone<T>(_ value: T?) -> String { value.map { "\($0)" } ?? "none" }

/// A case as the other languages name it: `timedOut` is `timed_out`.
func snake<T>(_ value: T) -> String {
    "\(value)".reduce(into: "") { $0 += $1.isUppercase ? "_\($1.lowercased())" : String($1) }
}

func span(_ text: String) throws -> Duration {
    guard let seconds = Double(text) else { throw Wrong("\(text) is no number of seconds") }
    return .seconds(seconds)
}

func role(_ text: String?) throws -> Role? {
    guard let text else { return nil }
    let found = [Role.reader, .member, .inviter, .admin, .owner].first { snake($0) == text }
    guard let found else { throw Wrong("no role is called \(text)") }
    return found
}

func hex(_ bytes: Data) -> String { bytes.map { String(format: "%02x", $0) }.joined() }

func bytes(_ text: String) throws -> Data {
    var (data, rest) = (Data(), text[...])
    while !rest.isEmpty {
        guard let byte = UInt8(rest.prefix(2), radix: 16) else { throw Wrong("\(text) is not hexadecimal") }
        data.append(byte)
        rest = rest.dropFirst(2)
    }
    return data
}

/// What a join with progress=true was told last.
final class Watch: @unchecked Sendable {
    private let wanted: Bool
    private let lock = NSLock()
    private var last: SyncProgress?

    init(_ step: Step) throws {
        wanted = try step.read("progress") ?? false
    }

    var callback: (@Sendable (SyncProgress) -> Void)? {
        guard wanted else { return nil }
        return { now in self.lock.withLock { self.last = now } }
    }

    var facts: Facts {
        guard wanted else { return [:] }
        guard let now = lock.withLock({ last }) else { return ["told": "false"] }
        return ["told": "true", "whole": "\(now.records > 0 && now.records == now.recordsExpected)"]
    }
}

/// Everything that the steps of one scenario made, and the verbs for nodes, identities and graphs.
final class World {
    let patience: Duration
    private let dir = FileManager.default.temporaryDirectory.appendingPathComponent(UUID().uuidString)
    private var nodes: [String: Node] = [:]
    private var graphs: [String: Graph] = [:]
    private var identities: [String: Identity] = [:]
    var streams: [String: EventStream] = [:]
    var conflicts: [String: [Conflict]] = [:]

    init(_ patience: Duration) {
        self.patience = patience
    }

    private func found<T>(_ what: String, _ name: String, _ value: T?) throws -> T {
        guard let value else { throw Wrong("no \(what) is called \(name)") }
        return value
    }

    func node(_ name: String) throws -> Node { try found("node", name, nodes[name]) }
    func graph(_ name: String) throws -> Graph { try found("graph", name, graphs[name]) }
    func group(_ name: String) throws -> Group { try found("group", name, graphs[name] as? Group) }
    func identity(_ name: String) throws -> Identity { try found("identity", name, identities[name]) }
    func stream(_ name: String) throws -> EventStream { try found("stream", name, streams[name]) }

    func path(_ step: Step) throws -> URL {
        try FileManager.default.createDirectory(at: dir, withIntermediateDirectories: true)
        return dir.appendingPathComponent(try step.need("file"))
    }

    func end() async {
        for node in nodes.values { await node.shutdown() }
        try? FileManager.default.removeItem(at: dir)
    }

    func step(_ step: Step) async throws -> Facts {
        let name = step.names[0]
        switch step.verb {
        case "node": return try await start(step)
        case "shutdown":
            await (try node(name)).shutdown()
            return [:]
        case "stored":
            let node = try node(name)
            let groups = try node.storedGroups().count
            return ["graphs": "\(node.storedGraphs.count)", "groups": "\(groups)", "open": "\(node.openGraphs.count)"]
        case "identity", "default-identity", "find-identity", "import-identity": return try await getIdentity(step)
        case "set-default":
            try await node(name).identities.setDefault(PeerName(step.need("peer_name")))
            return [:]
        case "identities":
            let all = try node(name).identities.list
            return ["count": "\(all.count)", "names": sorted(all.map(\.name))]
        case "rename", "describe", "export-identity", "sign", "groups-of", "delete-identity":
            return try await useIdentity(step, identity(name))
        case "verify":
            let message = Data(try step.need("message").utf8)
            let valid = try PeerId(step.need("peer")).verify(message, signature: bytes(step.need("signature")))
            return ["valid": "\(valid)"]
        case "alter": return try alter(step)
        case "graph", "join", "open": return try await getGraph(step)
        case "delete-graph":
            try await node(name).deleteGraph(GraphId(step.need("id")))
            return [:]
        case "ticket":
            let ticket = try await graph(step.names[1]).ticket()
            return ["text": ticket.text, "graph": "\(ticket.graph)", "nodes": "\(ticket.nodes.count)"]
        case "close", "listen", "status", "sync-progress", "genesis", "properties", "set-properties", "same", "nodes", "node-info",
            "set-attributes", "force-presence", "contacts":
            return try await useGraph(step, graph(name))
        default:
            if let told = try await connections(step) { return told }
            if let told = try await records(step) { return told }
            if let told = try await events(step) { return told }
            if let told = try await groups(step) { return told }
            throw Wrong("the interpreter does not know the verb \(step.verb)")
        }
    }

    private func start(_ step: Step) async throws -> Facts {
        var config = NodeConfig.loopback()
        config.encryptDatabase = try step.read("encrypt") ?? false
        if let dir = step.opt("dir") { config.dataDir = self.dir.appendingPathComponent(dir) }
        if let passphrase = step.opt("passphrase") { config.keyProtection = .passphrase(passphrase: passphrase) }
        if let version = step.opt("version")?.split(separator: ".").compactMap({ UInt16($0) }), version.count == 2 {
            config.version = ApiVersion(major: version[0], minor: version[1])
        }
        let node = try await Node.start(config)
        nodes[step.names[0]] = node
        return ["id": "\(node.id)", "peer": "\(node.peerId)", "addr": node.bound[0]]
    }

    private func getIdentity(_ step: Step) async throws -> Facts {
        let all = try node(step.names[1]).identities
        let identity =
            switch step.verb {
            case "identity": try await all.create(name: step.opt("name"), classifier: step.opt("classifier"))
            case "default-identity": try await all.default()
            case "find-identity": try all.get(PeerName(step.need("peer_name")))
            default: try await all.import(step.need("text"), password: step.need("password"))
            }
        identities[step.names[0]] = identity
        return ["peer": "\(identity.peerId)", "peer_name": identity.peerName.text, "name": identity.name]
    }

    private func useIdentity(_ step: Step, _ identity: Identity) async throws -> Facts {
        switch step.verb {
        case "rename":
            try await identity.rename(step.opt("name"))
            return ["name": identity.name]
        case "describe":
            let told = try identity.describe()
            return ["text": told.text, "peer": "\(told.peerId)", "name": told.name]
        case "export-identity": return ["text": try await identity.export(password: step.need("password"))]
        case "sign": return ["signature": hex(try identity.sign(Data(try step.need("message").utf8)))]
        case "groups-of": return ["count": "\(try await identity.groups().count)"]
        default:
            try await identity.delete()
            return [:]
        }
    }

    private func alter(_ step: Step) throws -> Facts {
        var text = Array(try step.need("text").utf8)
        let middle = text.count / 2
        if try step.read("cut") ?? false { text = Array(text[..<middle]) }
        else { text[middle] = text[middle] == UInt8(ascii: "a") ? UInt8(ascii: "b") : UInt8(ascii: "a") }
        return ["text": String(decoding: text, as: UTF8.self)]
    }

    func added(_ name: String, _ graph: Graph) -> Facts {
        graphs[name] = graph
        let outcome = (graph as? Group).map { snake($0.joinOutcome) } ?? snake(graph.openOutcome)
        return ["id": "\(graph.id)", "outcome": outcome]
    }

    private func getGraph(_ step: Step) async throws -> Facts {
        let (node, precedence) = (try node(step.names[1]), step.words("precedence"))
        let offline = try step.read("offline") ?? false
        switch step.verb {
        case "graph":
            var properties = GraphProperties(name: step.opt("name") ?? "")
            properties.comment = step.opt("comment") ?? ""
            let seed = try step.read("seed", as: UInt8.self).map { Data(repeating: $0, count: 32) }
            let max = try step.read("max_record") ?? Node.maxRecord
            let made = try await node.createGraph(properties, maxRecord: max, seed: seed, precedence: precedence)
            return added(step.names[0], made)
        case "join":
            let watch = try Watch(step)
            let joined = try await node.join(step.need("ticket"), onProgress: watch.callback)
            return added(step.names[0], joined).merging(watch.facts) { $1 }
        default:
            let which = try step.need("graph")
            if which.contains(":") {
                return added(step.names[0], try await node.openGraph(Ticket(which), precedence: precedence, offline: offline))
            }
            let opened = try await node.openGraph(GraphId(which), precedence: precedence, offline: offline)
            return added(step.names[0], opened)
        }
    }

    private func useGraph(_ step: Step, _ graph: Graph) async throws -> Facts {
        switch step.verb {
        case "close":
            await graph.close()
            return [:]
        case "listen": return ["outcome": snake(try await graph.listen())]
        case "status":
            let now = try await graph.status()
            return [
                "listening": "\(now.listening)", "connections": "\(now.hasConnections)",
                "synchronized": "\(now.synchronized)",
            ]
        case "sync-progress":
            let now = try await graph.syncProgress()
            return ["records": orNone(now?.records), "expected": orNone(now?.recordsExpected)]
        case "genesis":
            let genesis = try await graph.genesis()
            return [
                "creator": "\(genesis.creator)", "max_record": "\(genesis.maxRecord)", "group": "\(genesis.rules != nil)",
            ]
        case "properties": return properties(try await graph.properties())
        case "set-properties":
            let everybody = step.opt("presence_max") == "none"
            return properties(
                try await graph.setProperties(
                    name: step.opt("name"), comment: step.opt("comment"),
                    presenceLifetime: step.opt("presence_lifetime").map { try span($0) },
                    presenceMax: everybody ? nil : step.read("presence_max"), everybody: everybody,
                    deferExpiration: step.read("defer_expiration")))
        case "same":
            let (own, other) = (try await graph.fingerprint(), try await self.graph(step.names[1]).fingerprint())
            return ["equal": "\(own == other)", "count": "\(own.count)"]
        case "nodes":
            var nodes = try await graph.nodes()
            if let peer = step.opt("peer") { nodes = try await graph.nodes(of: PeerId(peer)) }
            return ["count": "\(nodes.count)", "peers": sorted(nodes.map(\.peer))]
        case "node-info":
            let info = try await graph.nodeInfo(NodeId(step.need("node")))
            return ["node": "\(info.node)", "peer": "\(info.peer)", "attributes": info.attributes]
        case "set-attributes": try await graph.setNodeAttributes(step.opt("text"))
        case "force-presence": try await graph.forcePresence(step.read("forced") ?? true)
        default: return ["count": "\(try await graph.contacts().count)"]
        }
        return [:]
    }
}

func properties(_ now: GraphProperties) -> Facts {
    [
        "name": now.name, "comment": now.comment, "presence_lifetime": "\(now.presenceLifetime.components.seconds)",
        "presence_max": orNone(now.presenceMax), "defer_expiration": "\(now.deferExpiration)",
    ]
}

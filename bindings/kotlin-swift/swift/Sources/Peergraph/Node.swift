import Foundation
import PeergraphCore

/// One running instance: an endpoint with its own key, acting for an identity. End it with `shutdown()`.
///
/// Every call may throw a `PeergraphError`. A call whose task is cancelled, if it can last, ends with `Cancelled`.
public final class Node: Sendable {
    /// Most bytes of a record unless told otherwise: 1 MiB.
    public static let maxRecord: UInt32 = 1 << 20

    let native: NativeNode

    init(_ native: NativeNode) {
        self.native = native
    }

    /// Opens a node on a data directory, which is made on first use with fresh keys.
    public static func open(_ dataDir: URL) async throws(PeergraphError) -> Node {
        try await start(NodeConfig(dataDir: dataDir))
    }

    /// Opens a node in memory: fresh keys, nothing is kept.
    public static func inMemory() async throws(PeergraphError) -> Node {
        try await start(NodeConfig())
    }

    /// Opens a node. What a `keySource` throws becomes `KeyAccess`.
    public static func start(_ config: NodeConfig) async throws(PeergraphError) -> Node {
        let native: NativeConfig
        do {
            native = try await config.native()
        } catch {
            throw .KeyAccess(message: "the source of the key failed: \(error)")
        }
        return Node(try await call { try await nativeStart(config: native) })
    }

    /// This node's id.
    public var id: NodeId { native.id() }

    /// The identity this node acts for.
    public var peerId: PeerId { native.peerId() }

    /// Where this node can be dialled.
    public var addr: NodeAddr { native.addr() }

    /// The UDP sockets that serve all graphs, with the ports that were picked.
    public var bound: [String] { native.bound() }

    /// What this node has sent and received so far.
    public var metrics: Metrics { native.metrics() }

    /// The identities of this node: its own and those made or imported here.
    public var identities: Identities { Identities(native: native) }

    /// Makes a graph with a name: its id, its secret, its database, its properties. No traffic yet.
    public func createGraph(_ name: String) async throws(PeergraphError) -> Graph {
        try await createGraph(GraphProperties(name: name))
    }

    /// Makes a graph. `maxRecord`: most bytes of body plus attributes of a record, for ever. `seed` (32 bytes) makes id and
    /// secret follow from it and the identity; keep it as secret as a ticket. `precedence`: types to synchronise first.
    public func createGraph(
        _ properties: GraphProperties, maxRecord: UInt32 = Node.maxRecord, seed: Data? = nil, precedence: [String] = []
    ) async throws(PeergraphError) -> Graph {
        Graph(try await call {
            try await native.createGraph(
                properties: properties, maxRecord: maxRecord, seed: seed, precedence: precedence)
        })
    }

    /// Opens a graph that is here. No traffic yet; see `Graph.connect`.
    public func openGraph(_ id: GraphId, precedence: [String] = []) async throws(PeergraphError) -> Graph {
        Graph(try await call { try await native.openGraph(id: id, precedence: precedence) })
    }

    /// Opens a graph that a ticket leads to. No traffic yet; see `Graph.connect`.
    public func openGraph(_ ticket: Ticket, precedence: [String] = []) async throws(PeergraphError) -> Graph {
        Graph(try await call { try await native.openTicket(text: ticket.text, precedence: precedence) })
    }

    /// Opens the graph of a ticket's text, connects to it, waits until it is synchronised, and listens.
    public func join(_ ticket: String) async throws(PeergraphError) -> Graph {
        Graph(try await cancellable { [native] in try await native.join(text: ticket, cancel: $0) })
    }

    /// The same by a ticket that was read already.
    public func join(_ ticket: Ticket) async throws(PeergraphError) -> Graph {
        try await join(ticket.text)
    }

    /// Makes a group with a name. The identity is its creator: owner without end. It is reachable when this returns.
    public func createGroup(_ name: String) async throws(PeergraphError) -> Group {
        try await createGroup(GraphProperties(name: name))
    }

    /// Makes a group. `identity`: who makes it; default: the node's default identity.
    public func createGroup(
        _ properties: GraphProperties, rules: GroupRules = GroupRules(), maxRecord: UInt32 = Node.maxRecord,
        precedence: [String] = [], identity: Identity? = nil
    ) async throws(PeergraphError) -> Group {
        Group(try await call {
            try await native.createGroup(
                properties: properties, rules: rules, maxRecord: maxRecord, precedence: precedence,
                identity: identity?.native)
        })
    }

    /// Opens a group that is here, as the identity that is a member. No traffic yet; see `Graph.enter`.
    public func openGroup(_ id: GraphId) async throws(PeergraphError) -> Group {
        Group(try await call { try await native.openGroup(id: id) })
    }

    /// Joins a group by an invitation's text: becomes a member, connects, waits until this node is synchronised, and
    /// listens. `name`: the friendly name to go by there; default: the identity's.
    public func joinGroup(
        _ invitation: String, name: String = "", identity: Identity? = nil, password: String? = nil,
        deadline: Duration = .seconds(60)
    ) async throws(PeergraphError) -> Group {
        Group(try await cancellable { [native] in
            try await native.joinGroup(
                join: NativeJoin(
                    invitation: invitation, name: name, identity: identity?.native, password: password,
                    deadline: deadline),
                cancel: $0)
        })
    }

    /// The same by an invitation that was read already.
    public func joinGroup(
        _ invitation: Invitation, name: String = "", identity: Identity? = nil, password: String? = nil,
        deadline: Duration = .seconds(60)
    ) async throws(PeergraphError) -> Group {
        try await joinGroup(invitation.text, name: name, identity: identity, password: password, deadline: deadline)
    }

    /// Takes in a membership that `Group.exportMembership` wrote, and opens its group. No traffic yet.
    public func importMembership(_ text: String, password: String) async throws(PeergraphError) -> Group {
        Group(try await call { try await native.importMembership(text: text, password: password) })
    }

    /// The graphs that are open in this node.
    public var openGraphs: [Graph] { native.openGraphs().map { Graph($0) } }

    /// The graphs that have a database here, open or not.
    public var storedGraphs: [GraphId] { native.storedGraphs() }

    /// The groups that have a database here, open or not.
    public func storedGroups() throws(PeergraphError) -> [GraphId] {
        try at { try native.storedGroups() }
    }

    /// Deletes a graph's database here. The graph lives on at the others.
    public func deleteGraph(_ id: GraphId) async throws(PeergraphError) {
        try await call { try await native.deleteGraph(id: id) }
    }

    /// For an application that is sent to the background: makes all data durable, says goodbye to all neighbors, and is
    /// quiet from then on. When this returns, the system may stop or end the process at any moment. Reading and writing work
    /// as always; connects fail with `Paused`.
    public func pause() async throws(PeergraphError) {
        try await call { try await native.pause() }
    }

    /// Ends a pause: the graphs listen again if they did, and the nodes that were neighbors are dialled at once.
    public func resume() async throws(PeergraphError) {
        try await call { try await native.resume() }
    }

    /// True between `pause` and `resume`.
    public var isPaused: Bool { native.isPaused() }

    /// Tells the node that the system has another network than before, where the system says so.
    public func networkChanged() async throws(PeergraphError) {
        try await call { try await native.networkChanged() }
    }

    /// Closes all graphs with their goodbyes, makes everything durable, and lets go of the socket and the data directory.
    public func shutdown() async {
        await native.shutdown()
    }
}

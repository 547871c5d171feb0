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
    public static func open(
        _ dataDir: URL,
        isolation: isolated (any Actor)? = #isolation
    ) async throws(PeergraphError) -> Node {
        try await start(NodeConfig(dataDir: dataDir))
    }

    /// Opens a node in memory: fresh keys, nothing is kept.
    public static func inMemory(isolation: isolated (any Actor)? = #isolation) async throws(PeergraphError) -> Node {
        try await start(NodeConfig())
    }

    /// Opens a node. What a `keySource` throws becomes `KeyAccess`. It comes after a shutdown that was called before: at the same
    /// directory, the next node starts once that is done.
    public static func start(
        _ config: NodeConfig,
        isolation: isolated (any Actor)? = #isolation
    ) async throws(PeergraphError) -> Node {
        let place = NativePlace()
        // Held no longer: a `keySource` may ask somebody.
        await place.reached()
        let native = try await config.native()
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
    public func createGraph(
        _ name: String,
        isolation: isolated (any Actor)? = #isolation
    ) async throws(PeergraphError) -> Graph {
        try await createGraph(GraphProperties(name: name))
    }

    /// Makes a graph. `maxRecord`: most bytes of body plus attributes of a record, for ever. `seed` (32 bytes) makes id and
    /// secret follow from it and the identity; keep it as secret as a ticket. `precedence`: types to synchronise first.
    public func createGraph(
        _ properties: GraphProperties, maxRecord: UInt32 = Node.maxRecord, seed: Data? = nil, precedence: [String] = [],
        isolation: isolated (any Actor)? = #isolation
    ) async throws(PeergraphError) -> Graph {
        let seed = try seed.map { (seed) throws(PeergraphError) in try checked("seed", seed) }
        let placed = native.placed()
        return Graph(try await call {
            try await placed.createGraph(
                properties: properties, maxRecord: maxRecord, seed: seed, precedence: precedence)
        })
    }

    /// Opens a graph that is here, which is how one comes back to it after a restart. It is online at once: it listens and
    /// dials the nodes it knows in the background, and waits for nobody. `offline`: no traffic until `Graph.connect` or
    /// `Graph.listen`.
    public func openGraph(
        _ id: GraphId, precedence: [String] = [], offline: Bool = false,
        isolation: isolated (any Actor)? = #isolation
    ) async throws(PeergraphError) -> Graph {
        let placed = native.placed()
        return Graph(try await call { try await placed.openGraph(id: id, precedence: precedence, offline: offline) })
    }

    /// Opens a graph that a ticket leads to. If it was here before, as by its id; else no traffic yet: see `join`.
    public func openGraph(
        _ ticket: Ticket, precedence: [String] = [], offline: Bool = false,
        isolation: isolated (any Actor)? = #isolation
    ) async throws(PeergraphError) -> Graph {
        let placed = native.placed()
        return Graph(try await call {
            try await placed.openTicket(text: ticket.text, precedence: precedence, offline: offline)
        })
    }

    /// Joins the graph of a ticket's text: connects, waits until its database is here, and listens. `deadline`: for reaching
    /// somebody; then there is no limit on the whole, only on 30 s without progress (`TimedOut`; what came is kept, and the
    /// next try goes on from there). `onProgress` is told a few times a second and once in the end, on a thread of the
    /// library; it must not block. Cancelling gives the join up.
    public func join(
        _ ticket: String, deadline: Duration = .seconds(60), onProgress: (@Sendable (SyncProgress) -> Void)? = nil,
        isolation: isolated (any Actor)? = #isolation
    ) async throws(PeergraphError) -> Graph {
        let placed = native.placed()
        return Graph(try await cancellable { [placed] in
            try await placed.join(
                text: ticket, deadline: deadline, progress: onProgress.map { Told($0) }, cancel: $0)
        })
    }

    /// The same by a ticket that was read already.
    public func join(
        _ ticket: Ticket, deadline: Duration = .seconds(60), onProgress: (@Sendable (SyncProgress) -> Void)? = nil,
        isolation: isolated (any Actor)? = #isolation
    ) async throws(PeergraphError) -> Graph {
        try await join(ticket.text, deadline: deadline, onProgress: onProgress)
    }

    /// Makes a group with a name. The identity is its creator: owner without end. It is reachable when this returns.
    public func createGroup(
        _ name: String,
        isolation: isolated (any Actor)? = #isolation
    ) async throws(PeergraphError) -> Group {
        try await createGroup(GraphProperties(name: name))
    }

    /// Makes a group. `identity`: who makes it; default: the node's default identity.
    public func createGroup(
        _ properties: GraphProperties, rules: GroupRules = GroupRules(), maxRecord: UInt32 = Node.maxRecord,
        precedence: [String] = [], identity: Identity? = nil,
        isolation: isolated (any Actor)? = #isolation
    ) async throws(PeergraphError) -> Group {
        let placed = native.placed()
        return Group(try await call {
            try await placed.createGroup(
                properties: properties, rules: rules, maxRecord: maxRecord, precedence: precedence,
                identity: identity?.native)
        })
    }

    /// Opens a group that is here, as the identity that is a member: how one comes back to it after a restart. It is online at
    /// once: it listens and dials the nodes it knows in the background, and waits for nobody. `offline`: no traffic until
    /// `Graph.connect` or `Graph.listen`.
    public func openGroup(
        _ id: GraphId, precedence: [String] = [], offline: Bool = false,
        isolation: isolated (any Actor)? = #isolation
    ) async throws(PeergraphError) -> Group {
        let placed = native.placed()
        return Group(try await call { try await placed.openGroup(id: id, precedence: precedence, offline: offline) })
    }

    /// Joins a group by an invitation's text: becomes a member, connects, waits until the database is here, and listens.
    /// `name`: the friendly name to go by there, whatever the invitation says; default: the one it goes by there, or else the identity's. `deadline`: for being
    /// let in; then there is no limit on the whole, only on 30 s without progress (`TimedOut`; what came is kept, and the next
    /// try goes on from there). `onProgress` is told a few times a second and once in the end, on a thread of the library; it
    /// must not block. Cancelling gives the join up.
    public func joinGroup(
        _ invitation: String, name: String = "", identity: Identity? = nil, password: String? = nil,
        deadline: Duration = .seconds(60), onProgress: (@Sendable (SyncProgress) -> Void)? = nil,
        isolation: isolated (any Actor)? = #isolation
    ) async throws(PeergraphError) -> Group {
        let placed = native.placed()
        return Group(try await cancellable { [placed] in
            try await placed.joinGroup(
                join: NativeJoin(
                    invitation: invitation, name: name, identity: identity?.native, password: password,
                    deadline: deadline),
                progress: onProgress.map { Told($0) }, cancel: $0)
        })
    }

    /// The same by an invitation that was read already.
    public func joinGroup(
        _ invitation: Invitation, name: String = "", identity: Identity? = nil, password: String? = nil,
        deadline: Duration = .seconds(60), onProgress: (@Sendable (SyncProgress) -> Void)? = nil,
        isolation: isolated (any Actor)? = #isolation
    ) async throws(PeergraphError) -> Group {
        try await joinGroup(
            invitation.text, name: name, identity: identity, password: password, deadline: deadline, onProgress: onProgress)
    }

    /// Takes in a membership that `Group.exportMembership` wrote, and opens its group. No traffic yet,
    /// so that a database can be imported first; see `Graph.listen` and `Graph.enter`.
    public func importMembership(
        _ text: String, password: String,
        isolation: isolated (any Actor)? = #isolation
    ) async throws(PeergraphError) -> Group {
        let placed = native.placed()
        return Group(try await call { try await placed.importMembership(text: text, password: password) })
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
    public func deleteGraph(_ id: GraphId, isolation: isolated (any Actor)? = #isolation) async throws(PeergraphError) {
        let placed = native.placed()
        return try await call { try await placed.deleteGraph(id: id) }
    }

    /// For an application that is sent to the background: makes all data durable, says goodbye to all neighbors, and is
    /// quiet from then on. When this returns, the system may stop or end the process at any moment. Reading and writing work
    /// as always; connects fail with `Paused`.
    public func pause(isolation: isolated (any Actor)? = #isolation) async throws(PeergraphError) {
        let placed = native.placed()
        return try await call { try await placed.pause() }
    }

    /// Ends a pause: the graphs listen again if they did, and the nodes that were neighbors are dialled at once.
    public func resume(isolation: isolated (any Actor)? = #isolation) async throws(PeergraphError) {
        let placed = native.placed()
        return try await call { try await placed.resume() }
    }

    /// True between `pause` and `resume`.
    public var isPaused: Bool { native.isPaused() }

    /// Tells the node that the system has another network than before, where the system says so.
    public func networkChanged(isolation: isolated (any Actor)? = #isolation) async throws(PeergraphError) {
        let placed = native.placed()
        return try await call { try await placed.networkChanged() }
    }

    /// Closes all graphs with their goodbyes, makes everything durable, and lets go of the socket and the data directory.
    public func shutdown(isolation: isolated (any Actor)? = #isolation) async {
        let placed = native.placedToEnd()
        await placed.shutdown()
    }
}

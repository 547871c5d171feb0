import Foundation
import PeergraphCore

/// A graph that is open in a node. Stays open until `close()` or the node's end.
// Unchecked for the sake of `Group` only: there is nothing in it that changes.
public class Graph: @unchecked Sendable {
    let native: NativeGraph

    init(_ native: NativeGraph) {
        self.native = native
    }

    /// The graph's id.
    public var id: GraphId { native.id() }

    /// Whether its database was found or made when it was opened.
    public var openOutcome: OpenOutcome { native.openOutcome() }

    /// A ticket with this node, if it listens, and some of its neighbors. Whoever has it can join.
    public func ticket() async throws(PeergraphError) -> Ticket {
        try await call { try await native.ticket() }
    }

    /// Lets others connect to this node.
    @discardableResult
    public func listen() async throws(PeergraphError) -> ListenOutcome {
        try await call { try await native.listen() }
    }

    /// Connects to a neighbor: exactly one outcome, after following referrals. Cancelling the task cancels the connect.
    /// `expectedPeer`: fail with `WrongPeer` if somebody else answers. `progress` is told of each referral.
    @discardableResult
    public func connect(
        _ target: Target, expectedPeer: PeerId? = nil, deadline: Duration = .seconds(60),
        progress: (@Sendable (Progress) -> Void)? = nil
    ) async throws(PeergraphError) -> ConnectionInfo {
        try await cancellable { [native] in
            try await native.connect(
                target: target.native, expectedPeer: expectedPeer, deadline: deadline,
                progress: progress.map { Hops($0) }, cancel: $0)
        }
    }

    /// Connects, waits until this node is synchronised, and listens.
    public func enter(_ target: Target) async throws(PeergraphError) {
        try await cancellable { [native] in try await native.enter(target: target.native, cancel: $0) }
    }

    /// Listening, connected, synchronised.
    public func status() async throws(PeergraphError) -> Status {
        try await call { try await native.status() }
    }

    /// What cannot change: creator and record limit.
    public func genesis() async throws(PeergraphError) -> Genesis {
        try await call { try await native.genesis() }
    }

    /// What may change.
    public func properties() async throws(PeergraphError) -> GraphProperties {
        try await call { try await native.properties() }
    }

    /// Changes properties, for all nodes; gives the new ones. What is nil stays. `everybody`: all publish their presence.
    @discardableResult
    public func setProperties(
        name: String? = nil, comment: String? = nil, presenceLifetime: Duration? = nil, presenceMax: UInt32? = nil,
        everybody: Bool = false, deferExpiration: Bool? = nil
    ) async throws(PeergraphError) -> GraphProperties {
        try await call {
            try await native.setProperties(
                update: NativePropertiesUpdate(
                    name: name, comment: comment, presenceLifetime: presenceLifetime, presenceMax: presenceMax,
                    everybody: everybody, deferExpiration: deferExpiration))
        }
    }

    /// The nodes that are here: this one first, then those whose presence is known. A snapshot.
    public func nodes() async throws(PeergraphError) -> [NodeInfo] {
        try await call { try await native.nodes() }
    }

    /// The nodes of one identity that are here.
    public func nodes(of peer: PeerId) async throws(PeergraphError) -> [NodeInfo] {
        try await call { try await native.nodesOf(peer: peer) }
    }

    /// What is known of one node. Throws `NotFound`.
    public func nodeInfo(_ node: NodeId) async throws(PeergraphError) -> NodeInfo {
        try await call { try await native.nodeInfo(node: node) }
    }

    /// Sets the text that others read beside this node, at most 1,024 bytes; nil clears it.
    public func setNodeAttributes(_ text: String?) async throws(PeergraphError) {
        try await call { try await native.setNodeAttributes(text: text) }
    }

    /// Publishes this node's presence whatever the graph's policy says, or leaves it to the policy again.
    public func forcePresence(_ forced: Bool) async throws(PeergraphError) {
        try await call { try await native.forcePresence(forced: forced) }
    }

    /// The neighbors. A snapshot.
    public func neighbors() async throws(PeergraphError) -> [ConnectionInfo] {
        try await call { try await native.neighbors() }
    }

    /// The direct connections. A snapshot.
    public func directConnections() async throws(PeergraphError) -> [ConnectionInfo] {
        try await call { try await native.directConnections() }
    }

    /// Opens a direct connection. The other end must have subscribed to `EventKind.directConnection`.
    public func openDirect(_ target: Target) async throws(PeergraphError) -> DirectConnection {
        DirectConnection(try await cancellable { [native] in
            try await native.openDirect(target: target.native, cancel: $0)
        })
    }

    /// A direct connection by its number, as an event gave it.
    public func directConnection(_ connection: UInt64) async throws(PeergraphError) -> DirectConnection {
        DirectConnection(try await call { try await native.directConnection(connection: connection) })
    }

    /// Closes one neighbor link or direct connection. Throws `NotConnected`.
    public func disconnect(_ connection: UInt64) async throws(PeergraphError) {
        try await call { try await native.disconnect(connection: connection) }
    }

    /// Sends data of a type on a neighbor link or direct connection; see `DirectConnection.send`.
    @discardableResult
    public func send(
        _ connection: UInt64, _ dataType: String, _ data: Data
    ) async throws(PeergraphError) -> SendReceipt {
        SendReceipt(native: try await cancellable { [native] in
            try await native.send(connection: connection, dataType: dataType, data: data, cancel: $0)
        })
    }

    /// Where nodes of this graph can be dialled, as far as known here, those of earlier times too. A snapshot.
    public func contacts() async throws(PeergraphError) -> [NodeAddr] {
        try await call { try await native.contacts() }
    }

    /// The clock this graph agrees on, now.
    public func peerTime() async throws(PeergraphError) -> Date {
        try await call { try await native.peerTime() }
    }

    /// A moment of this machine's clock as the graph would name it.
    public func toPeerTime(_ local: Date) async throws(PeergraphError) -> Date {
        try await call { try await native.toPeerTime(local: local) }
    }

    /// A moment of the graph's clock as this machine would name it.
    public func toLocalTime(_ peer: Date) async throws(PeergraphError) -> Date {
        try await call { try await native.toLocalTime(peer: peer) }
    }

    /// How many records the database has, and the fingerprint of their set.
    public func fingerprint() async throws(PeergraphError) -> Fingerprint {
        try await call { try await native.fingerprint() }
    }

    /// Says goodbye to the neighbors, makes everything durable, closes the database, ends all event streams. Of a group,
    /// gives up this handle; the group closes when all who opened it have.
    public func close() async {
        await native.shut()
    }
}

// Records, events and files.
extension Graph {
    /// Publishes a record: signs it, makes it durable, sends it to the neighbors. Returns when it is durable here.
    @discardableResult
    public func publish(
        _ recordType: String, _ body: Data, attributes: [String: Value] = [:], expires: Date? = nil
    ) async throws(PeergraphError) -> Record {
        try await call {
            try await native.publish(recordType: recordType, body: body, attributes: attributes, expires: expires)
        }
    }

    /// Publishes a record with a text.
    @discardableResult
    public func publish(
        _ recordType: String, _ body: String, attributes: [String: Value] = [:], expires: Date? = nil
    ) async throws(PeergraphError) -> Record {
        try await publish(recordType, Data(body.utf8), attributes: attributes, expires: expires)
    }

    /// Publishes a new version of a record; what is nil stays. With `expectedVersion`, only if nobody was faster here.
    @discardableResult
    public func update(
        _ id: RecordId, body: Data? = nil, attributes: [String: Value]? = nil, expires: Date? = nil,
        expectedVersion: UInt64? = nil
    ) async throws(PeergraphError) -> Record {
        try await call {
            try await native.update(
                id: id, body: body, attributes: attributes, expires: expires, expectedVersion: expectedVersion)
        }
    }

    /// Deletes a record everywhere; gives the version of what is left. It cannot come back under its id.
    @discardableResult
    public func delete(_ id: RecordId) async throws(PeergraphError) -> UInt64 {
        try await call { try await native.delete(id: id) }
    }

    /// The current version of a record; nil if there is none, or it is deleted or expired.
    public func get(_ id: RecordId) async throws(PeergraphError) -> Record? {
        try await call { try await native.get(id: id) }
    }

    /// One page of records.
    public func list(_ query: ListQuery = ListQuery()) async throws(PeergraphError) -> RecordPage {
        try await call { try await native.list(query: query) }
    }

    /// All records of a query, page by page, as they were at the first page.
    public func records(_ query: ListQuery = ListQuery()) -> RecordPages {
        RecordPages(graph: self, query: query)
    }

    /// Subscribes at once: nothing that happens after this returns is missed. `capacity`: record changes kept in memory,
    /// default and at most 1,024.
    public func events(
        _ filter: EventFilter = EventFilter(), start: Start = .now, capacity: UInt32? = nil
    ) throws(PeergraphError) -> EventStream {
        EventStream(try at { try native.subscribe(filter: filter, start: start, capacity: capacity) })
    }

    /// Keeps a cursor under a name, in this database, to go on from after a restart.
    public func saveCursor(_ name: String, _ cursor: Data) async throws(PeergraphError) {
        try await call { try await native.saveCursor(name: name, cursor: cursor) }
    }

    /// A cursor kept under a name.
    public func loadCursor(_ name: String) async throws(PeergraphError) -> Data? {
        try await call { try await native.loadCursor(name: name) }
    }

    /// Writes all records to a new file, sealed if there is a password; gives how many there are.
    @discardableResult
    public func exportDatabase(_ file: URL, password: String? = nil) async throws(PeergraphError) -> UInt64 {
        try await cancellable { [native] in
            try await native.exportDatabase(path: file.path, password: password, cancel: $0)
        }
    }

    /// Takes in the records of a file that `exportDatabase` wrote, before the graph connects or listens. `exporter`: whose
    /// export it must be; default: of the identity that this graph is open as.
    @discardableResult
    public func importDatabase(
        _ file: URL, password: String? = nil, exporter: PeerId? = nil
    ) async throws(PeergraphError) -> ImportCount {
        try await cancellable { [native] in
            try await native.importDatabase(path: file.path, password: password, exporter: exporter, cancel: $0)
        }
    }
}

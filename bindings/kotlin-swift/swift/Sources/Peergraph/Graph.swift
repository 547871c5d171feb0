import Foundation
import PeergraphCore

/// A graph that is open in a node. Stays open until `close()`, the node's end, or until the application has nothing of it any
/// more: no handle, stream or direct connection. So keep it, as in a property, for as long as it should be online.
///
/// **Order**: calls take effect in the order in which they begin, whether or not their results are awaited; `close()` and
/// `Node.shutdown()` come after them. A call begins on its caller's actor (that is what `isolation` is for), so tasks that were made one
/// after another on one actor are in order; `async let` and tasks outside of actors are in none.
///
/// **Cancelling** a task gives up its connects, joins, sends, exports and imports: they throw `Cancelled`. All other calls are waited for to
/// their end. Where waiting stops, no more than that does: what was called may still happen, or may not. It does not disturb
/// the calls after it.
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
    public func ticket(isolation: isolated (any Actor)? = #isolation) async throws(PeergraphError) -> Ticket {
        let placed = native.placed()
        return try await call { try await placed.ticket() }
    }

    /// Lets others connect to this node.
    @discardableResult
    public func listen(isolation: isolated (any Actor)? = #isolation) async throws(PeergraphError) -> ListenOutcome {
        let placed = native.placed()
        return try await call { try await placed.listen() }
    }

    /// Connects to a neighbor: exactly one outcome, after following referrals. Cancelling the task cancels the connect.
    /// `expectedPeer`: fail with `WrongPeer` if somebody else answers. `progress` is told of each referral.
    @discardableResult
    public func connect(
        _ target: Target, expectedPeer: PeerId? = nil, deadline: Duration = .seconds(60),
        progress: (@Sendable (Progress) -> Void)? = nil,
        isolation: isolated (any Actor)? = #isolation
    ) async throws(PeergraphError) -> ConnectionInfo {
        let placed = native.placed()
        return try await cancellable { [placed] in
            try await placed.connect(
                target: target.native, expectedPeer: expectedPeer, deadline: deadline,
                progress: progress.map { Hops($0) }, cancel: $0)
        }
    }

    /// Connects, waits until this node is synchronised, and listens. Not needed after `Node.openGroup` or `Node.openGraph`,
    /// which are online by themselves.
    public func enter(_ target: Target, isolation: isolated (any Actor)? = #isolation) async throws(PeergraphError) {
        let placed = native.placed()
        return try await cancellable { [placed] in try await placed.enter(target: target.native, cancel: $0) }
    }

    /// Listening, connected, synchronised.
    public func status(isolation: isolated (any Actor)? = #isolation) async throws(PeergraphError) -> Status {
        let placed = native.placed()
        return try await call { try await placed.status() }
    }

    /// How far the database is on its way here; nil while nothing is known to be missing. As an event: `syncProgress`.
    public func syncProgress(isolation: isolated (any Actor)? = #isolation) async throws(PeergraphError) -> SyncProgress? {
        let placed = native.placed()
        return try await call { try await placed.syncProgress() }
    }

    /// What cannot change: creator and record limit.
    public func genesis(isolation: isolated (any Actor)? = #isolation) async throws(PeergraphError) -> Genesis {
        let placed = native.placed()
        return try await call { try await placed.genesis() }
    }

    /// What may change.
    public func properties(isolation: isolated (any Actor)? = #isolation) async throws(PeergraphError) -> GraphProperties {
        let placed = native.placed()
        return try await call { try await placed.properties() }
    }

    /// Changes properties, for all nodes; gives the new ones. What is nil stays. `everybody`: all publish their presence.
    @discardableResult
    public func setProperties(
        name: String? = nil, comment: String? = nil, presenceLifetime: Duration? = nil, presenceMax: UInt32? = nil,
        everybody: Bool = false, deferExpiration: Bool? = nil,
        isolation: isolated (any Actor)? = #isolation
    ) async throws(PeergraphError) -> GraphProperties {
        let placed = native.placed()
        return try await call {
            try await placed.setProperties(
                update: NativePropertiesUpdate(
                    name: name, comment: comment, presenceLifetime: presenceLifetime, presenceMax: presenceMax,
                    everybody: everybody, deferExpiration: deferExpiration))
        }
    }

    /// The nodes that are here: this one first, then those whose presence is known. A snapshot.
    public func nodes(isolation: isolated (any Actor)? = #isolation) async throws(PeergraphError) -> [NodeInfo] {
        let placed = native.placed()
        return try await call { try await placed.nodes() }
    }

    /// The nodes of one identity that are here.
    public func nodes(
        of peer: PeerId,
        isolation: isolated (any Actor)? = #isolation
    ) async throws(PeergraphError) -> [NodeInfo] {
        let placed = native.placed()
        return try await call { try await placed.nodesOf(peer: peer) }
    }

    /// What is known of one node. Throws `NotFound`.
    public func nodeInfo(
        _ node: NodeId,
        isolation: isolated (any Actor)? = #isolation
    ) async throws(PeergraphError) -> NodeInfo {
        let placed = native.placed()
        return try await call { try await placed.nodeInfo(node: node) }
    }

    /// Sets the text that others read beside this node, at most 1,024 bytes; nil clears it.
    public func setNodeAttributes(
        _ text: String?,
        isolation: isolated (any Actor)? = #isolation
    ) async throws(PeergraphError) {
        let placed = native.placed()
        return try await call { try await placed.setNodeAttributes(text: text) }
    }

    /// Publishes this node's presence whatever the graph's policy says, or leaves it to the policy again.
    public func forcePresence(_ forced: Bool, isolation: isolated (any Actor)? = #isolation) async throws(PeergraphError) {
        let placed = native.placed()
        return try await call { try await placed.forcePresence(forced: forced) }
    }

    /// The neighbors. A snapshot.
    public func neighbors(isolation: isolated (any Actor)? = #isolation) async throws(PeergraphError) -> [ConnectionInfo] {
        let placed = native.placed()
        return try await call { try await placed.neighbors() }
    }

    /// The direct connections. A snapshot.
    public func directConnections(isolation: isolated (any Actor)? = #isolation) async throws(PeergraphError) -> [ConnectionInfo] {
        let placed = native.placed()
        return try await call { try await placed.directConnections() }
    }

    /// Opens a direct connection. The other end must have subscribed to `EventKind.directConnection`.
    public func openDirect(
        _ target: Target,
        isolation: isolated (any Actor)? = #isolation
    ) async throws(PeergraphError) -> DirectConnection {
        let placed = native.placed()
        return DirectConnection(try await cancellable { [placed] in
            try await placed.openDirect(target: target.native, cancel: $0)
        })
    }

    /// A direct connection by its number, as an event gave it.
    public func directConnection(
        _ connection: UInt64,
        isolation: isolated (any Actor)? = #isolation
    ) async throws(PeergraphError) -> DirectConnection {
        let placed = native.placed()
        return DirectConnection(try await call { try await placed.directConnection(connection: connection) })
    }

    /// Closes one neighbor link or direct connection. Throws `NotConnected`.
    public func disconnect(
        _ connection: UInt64,
        isolation: isolated (any Actor)? = #isolation
    ) async throws(PeergraphError) {
        let placed = native.placed()
        return try await call { try await placed.disconnect(connection: connection) }
    }

    /// Sends data of a type on a neighbor link or direct connection; see `DirectConnection.send`.
    @discardableResult
    public func send(
        _ connection: UInt64, _ dataType: String, _ data: Data,
        isolation: isolated (any Actor)? = #isolation
    ) async throws(PeergraphError) -> SendReceipt {
        let data = try checked(message: data)
        let placed = native.placed()
        return SendReceipt(native: try await cancellable { [placed] in
            try await placed.send(connection: connection, dataType: dataType, data: data, cancel: $0)
        })
    }

    /// Where nodes of this graph can be dialled, as far as known here, those of earlier times too. A snapshot.
    public func contacts(isolation: isolated (any Actor)? = #isolation) async throws(PeergraphError) -> [NodeAddr] {
        let placed = native.placed()
        return try await call { try await placed.contacts() }
    }

    /// The clock this graph agrees on, now.
    public func peerTime(isolation: isolated (any Actor)? = #isolation) async throws(PeergraphError) -> Date {
        let placed = native.placed()
        return try await call { try await placed.peerTime() }
    }

    /// A moment of this machine's clock as the graph would name it.
    public func toPeerTime(
        _ local: Date,
        isolation: isolated (any Actor)? = #isolation
    ) async throws(PeergraphError) -> Date {
        let placed = native.placed()
        return try await call { try await placed.toPeerTime(local: try checked(clock: "local", local)) }
    }

    /// A moment of the graph's clock as this machine would name it.
    public func toLocalTime(
        _ peer: Date,
        isolation: isolated (any Actor)? = #isolation
    ) async throws(PeergraphError) -> Date {
        let placed = native.placed()
        return try await call { try await placed.toLocalTime(peer: try checked(clock: "peer", peer)) }
    }

    /// How many records the database has, and the fingerprint of their set.
    public func fingerprint(isolation: isolated (any Actor)? = #isolation) async throws(PeergraphError) -> Fingerprint {
        let placed = native.placed()
        return try await call { try await placed.fingerprint() }
    }

    /// Says goodbye to the neighbors, makes everything durable, closes the database, ends all event streams. Of a group,
    /// gives up this handle; the group closes when all who opened it have.
    public func close(isolation: isolated (any Actor)? = #isolation) async {
        let placed = native.placed()
        await placed.shut()
    }
}

// Records, events and files.
extension Graph {
    /// Publishes a record: signs it, makes it durable, sends it to the neighbors. Returns when it is durable here.
    ///
    /// - Throws: who is no member of the group any more is told why: `removed`, `notAMember` after leaving, `invitationExpired` if
    ///   its time is over, `invitationUsedUp` if its place went to another by the same invitation.
    @discardableResult
    public func publish(
        _ recordType: String, _ body: Data, attributes: [String: Value] = [:], expires: Date? = nil,
        isolation: isolated (any Actor)? = #isolation
    ) async throws(PeergraphError) -> Record {
        let (body, attributes, expires) = (try checked(body: body), try checked(attributes), try checked(clock: "expires", expires))
        let placed = native.placed()
        return try await call {
            try await placed.publish(recordType: recordType, body: body, attributes: attributes, expires: expires)
        }
    }

    /// Publishes a record with a text.
    @discardableResult
    public func publish(
        _ recordType: String, _ body: String, attributes: [String: Value] = [:], expires: Date? = nil,
        isolation: isolated (any Actor)? = #isolation
    ) async throws(PeergraphError) -> Record {
        try await publish(recordType, try checked(body: body), attributes: attributes, expires: expires)
    }

    /// Publishes a new version of a record; what is nil stays. With `expectedVersion`, only if nobody was faster here.
    @discardableResult
    public func update(
        _ id: RecordId, body: Data? = nil, attributes: [String: Value]? = nil, expires: Date? = nil,
        expectedVersion: UInt64? = nil,
        isolation: isolated (any Actor)? = #isolation
    ) async throws(PeergraphError) -> Record {
        let (body, expires) = (try body.map(checked(body:)), try checked(clock: "expires", expires))
        let attributes = try attributes.map(checked)
        let placed = native.placed()
        return try await call {
            try await placed.update(
                id: id, body: body, attributes: attributes, expires: expires, expectedVersion: expectedVersion)
        }
    }

    /// Deletes a record everywhere; gives the version of what is left. It cannot come back under its id.
    @discardableResult
    public func delete(
        _ id: RecordId,
        isolation: isolated (any Actor)? = #isolation
    ) async throws(PeergraphError) -> UInt64 {
        let placed = native.placed()
        return try await call { try await placed.delete(id: id) }
    }

    /// The current version of a record; nil if there is none, or it is deleted or expired.
    public func get(
        _ id: RecordId,
        isolation: isolated (any Actor)? = #isolation
    ) async throws(PeergraphError) -> Record? {
        let placed = native.placed()
        return try await call { try await placed.get(id: id) }
    }

    /// One page of records.
    public func list(
        _ query: ListQuery = ListQuery(),
        isolation: isolated (any Actor)? = #isolation
    ) async throws(PeergraphError) -> RecordPage {
        let placed = native.placed()
        return try await call { try await placed.list(query: query) }
    }

    /// One page of conflicts: versions that lost against others of which their authors had not known, with what won. Each is
    /// kept until it is acknowledged, or as long as a delete is remembered. `record`: only of this one. `after`: the `next` of
    /// the page before. `limit`: at most so many; 0: as many as a page may have.
    public func conflicts(
        record: RecordId? = nil, after: UInt64? = nil, limit: UInt32 = 0,
        isolation: isolated (any Actor)? = #isolation
    ) async throws(PeergraphError) -> ConflictPage {
        let placed = native.placed()
        return try await call { try await placed.conflicts(record: record, after: after, limit: limit) }
    }

    /// Drops a version that lost, as `conflicts` or `Event.recordChanged` gave it; other nodes keep it until they acknowledge
    /// it themselves. False if it is not here.
    @discardableResult
    public func acknowledgeConflict(
        _ loser: Record, isolation: isolated (any Actor)? = #isolation
    ) async throws(PeergraphError) -> Bool {
        let placed = native.placed()
        return try await call { try await placed.acknowledgeConflict(element: loser.element) }
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
        if case .after(let cursor) = start { _ = try checked("cursor", cursor) }
        return EventStream(try at { try native.subscribe(filter: filter, start: start, capacity: capacity) })
    }

    /// Keeps a cursor under a name, in this database, to go on from after a restart.
    public func saveCursor(
        _ name: String, _ cursor: Data,
        isolation: isolated (any Actor)? = #isolation
    ) async throws(PeergraphError) {
        let cursor = try checked("cursor", cursor)
        let placed = native.placed()
        return try await call { try await placed.saveCursor(name: name, cursor: cursor) }
    }

    /// A cursor kept under a name.
    public func loadCursor(
        _ name: String,
        isolation: isolated (any Actor)? = #isolation
    ) async throws(PeergraphError) -> Data? {
        let placed = native.placed()
        return try await call { try await placed.loadCursor(name: name) }
    }

    /// Writes all records to a new file, sealed if there is a password; gives how many there are.
    @discardableResult
    public func exportDatabase(
        _ file: URL, password: String? = nil,
        isolation: isolated (any Actor)? = #isolation
    ) async throws(PeergraphError) -> UInt64 {
        let path = try checked("file", file: file)
        let placed = native.placed()
        return try await cancellable { [placed] in
            try await placed.exportDatabase(path: path, password: password, cancel: $0)
        }
    }

    /// Takes in the records of a file that `exportDatabase` wrote, before the graph connects or listens. `exporter`: whose
    /// export it must be; default: of the identity that this graph is open as. Calls made after this one wait until it is over.
    @discardableResult
    public func importDatabase(
        _ file: URL, password: String? = nil, exporter: PeerId? = nil,
        isolation: isolated (any Actor)? = #isolation
    ) async throws(PeergraphError) -> ImportCount {
        let path = try checked("file", file: file)
        let placed = native.placed()
        return try await cancellable { [placed] in
            try await placed.importDatabase(path: path, password: password, exporter: exporter, cancel: $0)
        }
    }
}

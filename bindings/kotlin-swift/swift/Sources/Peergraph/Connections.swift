import Foundation
import PeergraphCore

/// Whom to reach.
public enum Target: Hashable, Sendable {
    /// Any of several addresses, tried in turn.
    case any([NodeAddr])
    /// A node, wherever the graph knows it to be.
    case node(NodeId)
    /// Any node of an identity, wherever the graph knows one to be.
    case peer(PeerId)
    /// Any node of a ticket.
    case ticket(Ticket)

    /// A node at an address.
    public static func addr(_ addr: NodeAddr) -> Target { .any([addr]) }

    var native: NativeTarget {
        switch self {
        case .any(let addrs): .any(addrs: addrs)
        case .node(let node): .node(node: node)
        case .peer(let peer): .peer(peer: peer)
        case .ticket(let ticket): .ticket(text: ticket.text)
        }
    }
}

/// A hop of a referral chain.
public struct Progress: Hashable, Sendable {
    /// How many so far, counted from 1.
    public let hop: UInt32
    /// The node tried next.
    public let next: NodeId
}

final class Hops: HopListener {
    private let told: @Sendable (Progress) -> Void

    init(_ told: @escaping @Sendable (Progress) -> Void) {
        self.told = told
    }

    func hop(hop: UInt32, next: NodeId) {
        told(Progress(hop: hop, next: next))
    }
}

final class Told: ProgressListener {
    private let told: @Sendable (SyncProgress) -> Void

    init(_ told: @escaping @Sendable (SyncProgress) -> Void) {
        self.told = told
    }

    func progress(progress: SyncProgress) {
        told(progress)
    }
}

/// A connection to one node for application data only; stays open until closed by either end.
public final class DirectConnection: Sendable {
    private let native: NativeDirect
    /// The other end, as it was when the connection was made.
    public let info: ConnectionInfo

    init(_ native: NativeDirect) {
        self.native = native
        info = native.info()
    }

    /// Its number on this node.
    public var id: UInt64 { info.connection }

    /// Sends data of a type. Returns when it is accepted for sending, in order; a slow reader makes this wait. Throws
    /// `TooLarge` above 16 MiB, `InvalidArgument` for a type that is no name, `NotConnected` once closed.
    @discardableResult
    public func send(
        _ dataType: String, _ data: Data,
        isolation: isolated (any Actor)? = #isolation
    ) async throws(PeergraphError) -> SendReceipt {
        let data = try checked(message: data)
        let placed = native.placed()
        return SendReceipt(native: try await cancellable { [placed] in
            try await placed.send(dataType: dataType, data: data, cancel: $0)
        })
    }

    /// Closes the connection for both ends. Throws `NotConnected`, `Closed`.
    public func close(isolation: isolated (any Actor)? = #isolation) async throws(PeergraphError) {
        let placed = native.placed()
        return try await call { try await placed.shut() }
    }
}

/// What became of sent data; can be asked once.
public struct SendReceipt: Sendable {
    let native: NativeReceipt

    /// Waits until the receiving node has handed the data to a subscriber (true), or found that nobody there subscribes to
    /// it (false). Throws `NotConnected`.
    public func delivered() async throws(PeergraphError) -> Bool {
        try await cancellable { [native] in try await native.delivered(cancel: $0) }
    }
}

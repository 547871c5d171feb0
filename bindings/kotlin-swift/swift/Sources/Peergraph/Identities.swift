import Foundation
import PeergraphCore

/// The identities of a node.
public struct Identities: Sendable {
    let native: NativeNode

    /// Makes an identity; on return it is on the disk, if the node has one. `key`: its private key of 32 bytes.
    public func create(
        name: String? = nil, classifier: String? = nil, key: Data? = nil,
        isolation: isolated (any Actor)? = #isolation
    ) async throws(PeergraphError) -> Identity {
        let key = try key.map { (key) throws(PeergraphError) in try checked("key", key) }
        let placed = native.placed()
        return Identity(try await call {
            try await placed.createIdentity(name: name, classifier: classifier, key: key)
        })
    }

    /// All identities, in the order of their peer names. A snapshot.
    public var list: [Identity] { native.identities().map { Identity($0) } }

    /// The identity that groups use unless told otherwise.
    public func `default`(isolation: isolated (any Actor)? = #isolation) async throws(PeergraphError) -> Identity {
        let placed = native.placed()
        return Identity(try await call { try await placed.defaultIdentity() })
    }

    /// Chooses the identity that later groups use unless told otherwise. Kept on the disk.
    public func setDefault(
        _ name: PeerName,
        isolation: isolated (any Actor)? = #isolation
    ) async throws(PeergraphError) {
        let placed = native.placed()
        return try await call { try await placed.setDefaultIdentity(name: name.text) }
    }

    /// The identity with this name. Throws `NotFound`.
    public func get(_ name: PeerName) throws(PeergraphError) -> Identity {
        Identity(try at { try native.identity(name: name.text) })
    }

    /// Takes in an identity that `Identity.export` wrote, here or on another machine.
    public func `import`(
        _ text: String, password: String,
        isolation: isolated (any Actor)? = #isolation
    ) async throws(PeergraphError) -> Identity {
        let placed = native.placed()
        return Identity(try await call { try await placed.importIdentity(text: text, password: password) })
    }
}

/// One identity: a key pair with names. All handles are of the same one.
public final class Identity: Sendable {
    let native: NativeIdentity

    init(_ native: NativeIdentity) {
        self.native = native
    }

    /// The public key.
    public var peerId: PeerId { native.peerId() }

    /// The name that tells it from all others: public key and classifier.
    public var peerName: PeerName { native.peerName() }

    /// The friendly name; the peer name unless another was set.
    public var name: String { native.name() }

    /// Sets the friendly name; nil or an empty one resets it to the peer name.
    public func rename(_ name: String?, isolation: isolated (any Actor)? = #isolation) async throws(PeergraphError) {
        let placed = native.placed()
        return try await call { try await placed.rename(name: name) }
    }

    /// What others may know of it, for whoever shall invite it. No secret.
    public func describe() throws(PeergraphError) -> IdentityDescription {
        try at { try native.describe() }
    }

    /// The whole identity with its private key as text that only the password opens.
    public func export(
        password: String,
        isolation: isolated (any Actor)? = #isolation
    ) async throws(PeergraphError) -> String {
        let placed = native.placed()
        return try await call { try await placed.export(password: password) }
    }

    /// Signs a message of the application; `PeerId.verify` checks it anywhere.
    public func sign(_ message: Data) throws(PeergraphError) -> Data {
        let message = try checked("message", message)
        return try at { try native.sign(message: message) }
    }

    /// The graphs of this key that are open or have a database here. A snapshot.
    public func groups(isolation: isolated (any Actor)? = #isolation) async throws(PeergraphError) -> [GraphId] {
        let placed = native.placed()
        return try await call { try await placed.groups() }
    }

    /// Deletes the identity: its keys are gone from disk and memory, for good unless they were exported.
    public func delete(isolation: isolated (any Actor)? = #isolation) async throws(PeergraphError) {
        let placed = native.placed()
        return try await call { try await placed.delete() }
    }
}

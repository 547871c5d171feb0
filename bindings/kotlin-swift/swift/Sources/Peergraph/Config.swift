import Foundation
import PeergraphCore

/// A version of the library's interface.
public struct ApiVersion: Hashable, Sendable {
    /// Changes when something is taken away.
    public var major: UInt16
    /// Changes when something is added.
    public var minor: UInt16

    public init(major: UInt16, minor: UInt16) {
        self.major = major
        self.minor = minor
    }
}

/// How a node runs. `NodeConfig()` is a node in memory on the local network; the defaults are the core's.
public struct NodeConfig: Sendable {
    /// Where keys and databases are kept, readable by their owner only. Nil: in memory, gone with the node.
    public var dataDir: URL?
    /// The private key (32 bytes) of the identity to act for; not written to the disk. Default: the directory's own.
    public var identity: Data?
    /// How the keys in the data directory are protected beyond being readable by their owner only.
    public var keyProtection: KeyProtection = .plain
    /// Asked at the start for the key (32 bytes) that seals the keys on the disk, such as one from the platform's key
    /// store. Instead of `keyProtection`.
    public var keySource: (@Sendable () async throws -> Data)?
    /// Whether to seal the databases in the data directory; the keys must be protected then.
    public var encryptDatabase: Bool
    /// Whom the network may involve. Default: no third party.
    public var network: NetworkMode
    /// UDP addresses to bind; port 0 picks a free one. Empty (the default): all interfaces, any port.
    public var bind: [String]
    /// Whether to find nodes on the local network by mDNS. Default: true.
    public var mdns: Bool
    /// Neighbors each graph tries to keep. Default: 5.
    public var targetNeighbors: UInt32
    /// Neighbors each graph accepts. Default: 8.
    public var maxNeighbors: UInt32
    /// Neighbors below which a graph looks for more at once. Default: 3.
    public var minNeighbors: UInt32
    /// Time between pings on each link. Default: 1 s. Of what the two ends want the longer holds.
    public var pingInterval: Duration
    /// When a write is acknowledged. Default: when it is on the disk.
    public var durability: Durability
    /// How long deletes are remembered. Default: 30 days; the same on all nodes.
    public var tombstoneLifetime: Duration
    /// The version of this library that the caller was written for. Default: this one.
    public var version: ApiVersion

    public init(dataDir: URL? = nil) {
        let core = nativeDefaultConfig(lowPower: false)
        self.dataDir = dataDir
        encryptDatabase = core.encryptDatabase
        network = core.network
        bind = core.bind
        mdns = core.mdns
        targetNeighbors = core.targetNeighbors
        maxNeighbors = core.maxNeighbors
        minNeighbors = core.minNeighbors
        pingInterval = core.pingInterval
        durability = core.durability
        tombstoneLifetime = core.tombstoneLifetime
        version = ApiVersion(major: core.versionMajor, minor: core.versionMinor)
    }

    /// A node in memory that binds a free port of the loopback interface and looks for nobody: for tests.
    public static func loopback() -> NodeConfig {
        var config = NodeConfig()
        config.bind = ["127.0.0.1:0"]
        config.mdns = false
        return config
    }

    /// The same for a device that should sleep, as phones do: fewer pings and neighbors. See also `Node.pause`.
    public func lowPower() -> NodeConfig {
        let sleepy = nativeDefaultConfig(lowPower: true)
        var config = self
        config.pingInterval = sleepy.pingInterval
        config.targetNeighbors = sleepy.targetNeighbors
        config.maxNeighbors = sleepy.maxNeighbors
        config.minNeighbors = sleepy.minNeighbors
        return config
    }

    private func protection() async throws(PeergraphError) -> KeyProtection {
        guard let keySource else { return keyProtection }
        guard case .plain = keyProtection else {
            throw .InvalidArgument(
                message: "keys are sealed with a passphrase, a key or what its source gives: one of these")
        }
        // In memory nothing is sealed.
        if dataDir == nil { return keyProtection }
        do {
            return .key(key: try await keySource())
        } catch is CancellationError {
            throw .Cancelled(message: "the source of the key was cancelled")
        } catch let error as PeergraphError {
            throw error
        } catch {
            throw .KeyAccess(message: "the source of the key failed: \(error)")
        }
    }

    func native() async throws(PeergraphError) -> NativeConfig {
        let dataDir = try dataDir.map { (dir) throws(PeergraphError) in try checked("dataDir", file: dir) }
        if let identity { _ = try checked("identity", identity) }
        let protection = try await protection()
        if case .key(let key) = protection { _ = try checked("keyProtection", key) }
        return NativeConfig(
            dataDir: dataDir, identity: identity, keyProtection: protection,
            encryptDatabase: encryptDatabase, network: network, bind: bind, mdns: mdns,
            targetNeighbors: targetNeighbors, maxNeighbors: maxNeighbors, minNeighbors: minNeighbors,
            pingInterval: pingInterval, durability: durability, tombstoneLifetime: tombstoneLifetime,
            versionMajor: version.major, versionMinor: version.minor)
    }
}

/// Without what is secret: a private key, a passphrase and a sealing key are named, not shown.
extension NodeConfig: CustomStringConvertible, CustomDebugStringConvertible, CustomReflectable {
    private var shown: KeyValuePairs<String, Any> {
        let hidden = (identity == nil ? nil : "(hidden)", keySource == nil ? nil : "(function)") as (String?, String?)
        return [
            "dataDir": dataDir as Any, "identity": hidden.0 as Any, "keyProtection": keyProtection, "keySource": hidden.1 as Any,
            "encryptDatabase": encryptDatabase, "network": network, "bind": bind, "mdns": mdns,
            "targetNeighbors": targetNeighbors, "maxNeighbors": maxNeighbors, "minNeighbors": minNeighbors,
            "pingInterval": pingInterval, "durability": durability, "tombstoneLifetime": tombstoneLifetime,
            "version": version,
        ]
    }

    public var description: String { "NodeConfig(\(shown.map { "\($0): \($1)" }.joined(separator: ", ")))" }
    public var debugDescription: String { description }
    public var customMirror: Mirror { Mirror(self, children: shown, displayStyle: .struct) }
}

extension GraphProperties {
    /// As the core has them, with a name.
    public init(name: String = "") {
        self = nativeDefaultProperties()
        self.name = name
    }
}

extension GroupRules {
    /// As the core has them.
    public init() {
        self = nativeDefaultRules()
    }
}

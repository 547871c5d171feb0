package io.github.peergraph

import java.nio.file.Path
import kotlin.time.Duration

/** What the core has as defaults. */
private val core: NativeConfig by lazy { nativeDefaultConfig(false) }
private val sleepy: NativeConfig by lazy { nativeDefaultConfig(true) }

/** A version of the library's interface. */
public data class ApiVersion(
    /** Changes when something is taken away. */
    val major: Int,
    /** Changes when something is added. */
    val minor: Int,
) {
    public companion object {
        /** The version this library has. */
        public val current: ApiVersion
            get() = ApiVersion(core.versionMajor.toInt(), core.versionMinor.toInt())
    }
}

/** How a node runs. `NodeConfig()` is a node in memory on the local network. */
public data class NodeConfig(
    /** Where keys and databases are kept, readable by their owner only. Null: in memory, gone with the node. */
    val dataDir: Path? = null,
    /** The private key (32 bytes) of the identity to act for; not written to the disk. Default: the directory's own. */
    val identity: ByteArray? = null,
    /** How the keys in the data directory are protected beyond being readable by their owner only. */
    val keyProtection: KeyProtection = KeyProtection.Plain,
    /** Asked at each start on a data directory for the key (32 bytes) that seals the keys there, such as one from the platform's
     * key store. Instead of [keyProtection]. What it throws, the start throws. */
    val keySource: (suspend () -> ByteArray)? = null,
    /** Whether to seal the databases in the data directory; the keys must be protected then. */
    val encryptDatabase: Boolean = core.encryptDatabase,
    /** Whom the network may involve. Default: no third party. */
    val network: NetworkMode = core.network,
    /** UDP addresses to bind; port 0 picks a free one. Empty (the default): all interfaces, any port. */
    val bind: List<String> = core.bind,
    /** Whether to find nodes on the local network by mDNS. Default: true. */
    val mdns: Boolean = core.mdns,
    /** Neighbors each graph tries to keep. Default: 5. */
    val targetNeighbors: Int = core.targetNeighbors.toInt(),
    /** Neighbors each graph accepts. Default: 8. */
    val maxNeighbors: Int = core.maxNeighbors.toInt(),
    /** Neighbors below which a graph looks for more at once. Default: 3. */
    val minNeighbors: Int = core.minNeighbors.toInt(),
    /** Time between pings on each link. Default: 1 s. Of what the two ends want the longer holds. */
    val pingInterval: Duration = core.pingInterval,
    /** When a write is acknowledged. Default: when it is on the disk. */
    val durability: Durability = core.durability,
    /** How long deletes are remembered. Default: 30 days; the same on all nodes. */
    val tombstoneLifetime: Duration = core.tombstoneLifetime,
    /** The version of this library that the caller was written for. Default: this one. */
    val version: ApiVersion = ApiVersion.current,
) {
    /** The same for a device that should sleep, as phones do: fewer pings and neighbors. See also [Node.pause]. */
    public fun lowPower(): NodeConfig = copy(
        pingInterval = sleepy.pingInterval,
        targetNeighbors = sleepy.targetNeighbors.toInt(),
        maxNeighbors = sleepy.maxNeighbors.toInt(),
        minNeighbors = sleepy.minNeighbors.toInt(),
    )

    /** Without what is secret: a private key, a passphrase and a sealing key are named, not shown. */
    override fun toString(): String =
        "NodeConfig(dataDir=$dataDir, identity=${if (identity == null) "null" else "(hidden)"}, keyProtection=$keyProtection, " +
            "keySource=${if (keySource == null) "null" else "(function)"}, encryptDatabase=$encryptDatabase, network=$network, " +
            "bind=$bind, mdns=$mdns, targetNeighbors=$targetNeighbors, maxNeighbors=$maxNeighbors, minNeighbors=$minNeighbors, " +
            "pingInterval=$pingInterval, durability=$durability, tombstoneLifetime=$tombstoneLifetime, version=$version)"

    private suspend fun protection(): KeyProtection {
        val source = keySource ?: return when (keyProtection) {
            is KeyProtection.Passphrase -> keyProtection.apply { text("keyProtection", passphrase) }
            else -> keyProtection
        }
        if (keyProtection != KeyProtection.Plain) {
            throw PeergraphException.InvalidArgument("keys are sealed with a passphrase, a key or what its source gives: one of these")
        }
        // In memory nothing is sealed.
        return if (dataDir == null) keyProtection else KeyProtection.Key(source())
    }

    private fun checkedNetwork(): NetworkMode = network.also {
        if (it is NetworkMode.Custom) {
            texts("relays", it.relays)
            it.lookup?.let { lookup -> text("lookup", lookup) }
        }
    }

    internal suspend fun toNative(): NativeConfig {
        // Taken at the call: the source of the key may take its time, and the array is the caller's.
        val given = NativeConfig(
            dataDir = dataDir?.let { path("dataDir", it) },
            identity = identity?.copyOf(),
            keyProtection = KeyProtection.Plain,
            encryptDatabase = encryptDatabase,
            network = checkedNetwork(),
            bind = texts("bind", bind.toList()),
            mdns = mdns,
            targetNeighbors = count(targetNeighbors),
            maxNeighbors = count(maxNeighbors),
            minNeighbors = count(minNeighbors),
            pingInterval = pingInterval,
            durability = durability,
            tombstoneLifetime = tombstoneLifetime,
            versionMajor = version.major.toUShort(),
            versionMinor = version.minor.toUShort(),
        )
        return given.copy(keyProtection = protection())
    }

    public companion object {
        /** A node in memory that binds a free port of the loopback interface and looks for nobody: for tests. */
        public fun loopback(): NodeConfig = NodeConfig(bind = listOf("127.0.0.1:0"), mdns = false)
    }
}

/** The properties of a new graph or group; what is left out is as the core has it. */
public fun graphProperties(
    name: String = "",
    comment: String = "",
    presenceLifetime: Duration = nativeDefaultProperties().presenceLifetime,
    presenceMax: Int? = nativeDefaultProperties().presenceMax?.toInt(),
    deferExpiration: Boolean = false,
): GraphProperties =
    GraphProperties(name, comment, presenceLifetime, presenceMax?.let(::count), deferExpiration)

/** The rules of a new group; what is left out is as the core has it. */
public fun groupRules(
    creatorName: String = "",
    minVersion: Int = nativeDefaultRules().minVersion.toInt(),
    maxChain: Int = nativeDefaultRules().maxChain.toInt(),
    properties: Role = nativeDefaultRules().properties,
    recordsEndWithMembership: Boolean = false,
    encryptedBodies: Boolean = false,
    types: List<TypeRule> = emptyList(),
): GroupRules {
    if (minVersion !in 0..0xffff || maxChain !in 0..0xff) {
        throw PeergraphException.InvalidArgument("a version has 16 bits, a length of chains 8")
    }
    return GroupRules(
        creatorName, minVersion.toUShort(), maxChain.toUByte(), properties, recordsEndWithMembership, encryptedBodies, types,
    )
}

/** A number that is not negative. */
internal fun count(number: Int): UInt =
    if (number >= 0) number.toUInt() else throw PeergraphException.InvalidArgument("$number is negative")

package io.github.peergraph

/** The identities of a node. */
public class Identities internal constructor(private val native: NativeNode) {
    /** Makes an identity; on return it is on the disk, if the node has one. [key]: its private key of 32 bytes. */
    public suspend fun create(name: String? = null, classifier: String? = null, key: ByteArray? = null): Identity =
        Identity(native.createIdentity(name?.let { text("name", it) }, classifier?.let { text("classifier", it) }, key))

    /** All identities, in the order of their peer names. A snapshot. */
    public fun list(): List<Identity> = native.identities().map(::Identity)

    /** The identity that groups use unless told otherwise. */
    public suspend fun default(): Identity = Identity(native.defaultIdentity())

    /** Chooses the identity that later groups use unless told otherwise. Kept on the disk. */
    public suspend fun setDefault(name: PeerName): Unit = native.setDefaultIdentity(text("name", name.text))

    /** The identity with this name. Throws [PeergraphException.NotFound]. */
    public fun get(name: PeerName): Identity = Identity(native.identity(text("name", name.text)))

    /** Takes in an identity that [Identity.export] wrote, here or on another machine. */
    public suspend fun import(text: String, password: String): Identity =
        Identity(native.importIdentity(text("text", text), text("password", password)))
}

/** One identity: a key pair with names. All handles are of the same one. */
public class Identity internal constructor(internal val native: NativeIdentity) {
    /** The public key. */
    public val peerId: PeerId get() = native.peerId()

    /** The name that tells it from all others: public key and classifier. */
    public val peerName: PeerName get() = native.peerName()

    /** The friendly name; the peer name unless another was set. */
    public val name: String get() = native.name()

    /** Sets the friendly name; null or an empty one resets it to the peer name. */
    public suspend fun rename(name: String?): Unit = native.rename(name?.let { text("name", it) })

    /** What others may know of it, for whoever shall invite it. No secret. */
    public fun describe(): IdentityDescription = native.describe()

    /** The whole identity with its private key as text that only the password opens. */
    public suspend fun export(password: String): String = native.export(text("password", password))

    /** Signs a message of the application; [PeerId.verify] checks it anywhere. */
    public fun sign(message: ByteArray): ByteArray = native.sign(message)

    /** The graphs of this key that are open or have a database here. A snapshot. */
    public suspend fun groups(): List<GraphId> = native.groups()

    /** Deletes the identity: its keys are gone from disk and memory, for good unless they were exported. */
    public suspend fun delete(): Unit = native.delete()

    override fun toString(): String = "Identity(${peerId.short})"
}

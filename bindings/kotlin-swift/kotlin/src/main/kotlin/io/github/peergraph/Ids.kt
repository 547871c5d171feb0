package io.github.peergraph

private fun hex(bytes: ByteArray) = bytes.toHexString()

/** A value of fixed bytes with a text of hexadecimal digits, that can be compared, hashed and sorted. */
public sealed class Id<T : Id<T>>(private val bytes: ByteArray) : Comparable<T> {
    /** The raw bytes. */
    public fun toBytes(): ByteArray = bytes.copyOf()

    /** The first ten hexadecimal digits, for logs and screens. */
    public val short: String get() = hex(bytes.copyOf(5))

    override fun toString(): String = hex(bytes)

    override fun hashCode(): Int = bytes.contentHashCode()

    override fun equals(other: Any?): Boolean =
        other is Id<*> && other.javaClass == javaClass && other.raw().contentEquals(bytes)

    override fun compareTo(other: T): Int = toString().compareTo(other.toString())

    private fun raw() = bytes
}

/** A person or service: the public key of an identity. Stable; may live on several nodes. */
public class PeerId private constructor(bytes: ByteArray, @Suppress("UNUSED_PARAMETER") owned: Unit) : Id<PeerId>(bytes) {
    /** Of 32 bytes, which are copied. */
    public constructor(bytes: ByteArray) : this(bytes.copyOf(), Unit)

    /** True if this identity signed the message with [Identity.sign]. */
    public fun verify(message: ByteArray, signature: ByteArray): Boolean = nativeVerify(this, message, signature)

    public companion object {
        /** Of 64 hexadecimal digits. Throws [PeergraphException.InvalidId]. */
        public fun parse(text: String): PeerId = nativePeerId(text("text", text))

        internal fun of(bytes: ByteArray) = PeerId(bytes, Unit)
    }
}

/** One running instance, by which it is dialled. */
public class NodeId private constructor(bytes: ByteArray, @Suppress("UNUSED_PARAMETER") owned: Unit) : Id<NodeId>(bytes) {
    /** Of 32 bytes, which are copied. */
    public constructor(bytes: ByteArray) : this(bytes.copyOf(), Unit)

    public companion object {
        /** Of 64 hexadecimal digits. Throws [PeergraphException.InvalidId]. */
        public fun parse(text: String): NodeId = nativeNodeId(text("text", text))

        internal fun of(bytes: ByteArray) = NodeId(bytes, Unit)
    }
}

/** A graph or group. */
public class GraphId private constructor(bytes: ByteArray, @Suppress("UNUSED_PARAMETER") owned: Unit) : Id<GraphId>(bytes) {
    /** Of 32 bytes, which are copied. */
    public constructor(bytes: ByteArray) : this(bytes.copyOf(), Unit)

    public companion object {
        /** Of 64 hexadecimal digits. Throws [PeergraphException.InvalidId]. */
        public fun parse(text: String): GraphId = nativeGraphId(text("text", text))

        internal fun of(bytes: ByteArray) = GraphId(bytes, Unit)
    }
}

/** A record, through all its versions. */
public class RecordId private constructor(bytes: ByteArray, @Suppress("UNUSED_PARAMETER") owned: Unit) : Id<RecordId>(bytes) {
    /** Of 16 bytes, which are copied. */
    public constructor(bytes: ByteArray) : this(bytes.copyOf(), Unit)

    public companion object {
        /** Of 32 hexadecimal digits. Throws [PeergraphException.InvalidId]. */
        public fun parse(text: String): RecordId = nativeRecordId(text("text", text))

        internal fun of(bytes: ByteArray) = RecordId(bytes, Unit)
    }
}

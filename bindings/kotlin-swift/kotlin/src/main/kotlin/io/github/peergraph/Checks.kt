package io.github.peergraph

import java.nio.file.FileSystems
import java.nio.file.Path
import kotlin.time.Instant

/** The limits of the core. What exceeds them is refused before it is copied into the native library. */
private val limits: NativeLimits by lazy { nativeLimits() }

internal fun invalid(argument: String, why: String): PeergraphException =
    PeergraphException.InvalidArgument("$argument: $why")

/** A text that can be written as UTF-8: half of a surrogate pair cannot. */
internal fun text(argument: String, text: String): String {
    var at = 0
    while (at < text.length) {
        val char = text[at]
        if (char.isSurrogate()) {
            val pair = char.isHighSurrogate() && at + 1 < text.length && text[at + 1].isLowSurrogate()
            if (!pair) throw invalid(argument, "half of a surrogate pair at index $at; cut texts between characters")
            at += 1
        }
        at += 1
    }
    return text
}

internal fun texts(argument: String, texts: List<String>): List<String> = texts.onEach { text(argument, it) }

/** Data of at most [most] bytes. */
private fun bytes(argument: String, size: Long, most: UInt): Unit =
    if (size > most.toLong()) throw PeergraphException.TooLarge("$argument: $size bytes, more than $most") else Unit

/** The body of a record. The limit of the graph is checked by the core. */
internal fun body(body: ByteArray): ByteArray = body.also { bytes("body", it.size.toLong(), limits.maxRecord) }

internal fun body(body: String): ByteArray {
    // At least a byte for each UTF-16 unit, so what is far too long is not encoded.
    bytes("body", body.length.toLong(), limits.maxRecord)
    return body(text("body", body).encodeToByteArray())
}

/** A message for a connection. */
internal fun message(data: ByteArray): ByteArray = data.also { bytes("data", it.size.toLong(), limits.maxData) }

/** The sum of what attributes weigh. */
internal fun attributeBytes(size: Long): Unit = bytes("attributes", size, limits.maxAttributes)

/** A moment that can be written as milliseconds since 1970 in 64 bits. */
internal fun moment(argument: String, moment: Instant): Instant {
    val most = Long.MAX_VALUE / 1000
    if (moment.epochSeconds !in -most..<most) throw invalid(argument, "$moment is too far from 1970")
    return moment
}

/** A moment that a clock can show: not before 1970. */
internal fun clock(argument: String, moment: Instant): Instant {
    if (moment < Instant.fromEpochMilliseconds(0)) throw invalid(argument, "$moment is before 1970")
    return moment(argument, moment)
}

/** A path of the system's own files: those of archives and of memory have no place that the native library could open. */
internal fun path(argument: String, path: Path): String {
    if (path.fileSystem != FileSystems.getDefault()) throw invalid(argument, "$path is not on the default file system")
    if (path.toString().isEmpty()) throw invalid(argument, "the path is empty")
    return text(argument, path.toString())
}

internal fun checked(addr: NodeAddr): NodeAddr = addr.apply {
    texts("addrs", addrs)
    relay?.let { text("relay", it) }
}

internal fun checked(filter: EventFilter): EventFilter = filter.apply {
    texts("recordTypes", recordTypes)
    texts("dataTypes", dataTypes)
}

internal fun checked(query: ListQuery): ListQuery = query.apply { recordType?.let { text("recordType", it) } }

internal fun checked(properties: GraphProperties): GraphProperties = properties.apply {
    text("name", name)
    text("comment", comment)
}

internal fun checked(rules: GroupRules): GroupRules = rules.apply {
    text("creatorName", creatorName)
    for (rule in types) text("recordType", rule.recordType)
}

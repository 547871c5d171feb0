package io.github.peergraph

import kotlin.time.Instant

/** The value of an attribute: text, whole and other numbers, booleans, moments, bytes, and lists of these. */
internal fun valueOf(name: String, given: Any): Value = when (given) {
    is Value -> given.also { checked(name, it) }
    is String -> Value.Text(text("attribute \"$name\"", given))
    is Byte, is Short, is Int, is Long -> Value.Integer((given as Number).toLong())
    is UInt -> Value.Integer(given.toLong())
    is Float, is Double -> Value.Float((given as Number).toDouble())
    is Boolean -> Value.Boolean(given)
    is Instant -> Value.Time(moment("attribute \"$name\"", given))
    is ByteArray -> Value.Bytes(given)
    is List<*> -> Value.Several(given.map { valueOf(name, it ?: throw notKept(name, "null")) })
    else -> throw notKept(name, given::class.simpleName ?: "this")
}

private fun notKept(name: String, what: String) = PeergraphException.InvalidArgument(
    "attribute \"$name\" cannot be $what: text, numbers, booleans, moments, bytes and lists of these can be kept",
)

private fun checked(name: String, value: Value): Unit = when (value) {
    is Value.Text -> text("attribute \"$name\"", value.value).let {}
    is Value.Time -> moment("attribute \"$name\"", value.value).let {}
    is Value.Several -> value.values.forEach { checked(name, it) }
    else -> {}
}

/** At least so many bytes a value takes. */
private fun least(value: Value): Long = when (value) {
    is Value.Text -> value.value.length.toLong()
    is Value.Bytes -> value.value.size.toLong()
    is Value.Several -> value.values.sumOf(::least)
    else -> 1
}

internal fun valuesOf(attributes: Map<String, Any>): Map<String, Value> {
    val values = attributes.entries.associate { (name, value) -> text("attributes", name) to valueOf(name, value) }
    attributeBytes(values.values.sumOf(::least))
    return values
}

/** What the value is: a `String`, `Long`, `Double`, `Boolean`, `Instant`, `ByteArray`, or a `List` of these. */
public val Value.plain: Any
    get() = when (this) {
        is Value.Text -> value
        is Value.Integer -> value
        is Value.Float -> value
        is Value.Boolean -> value
        is Value.Time -> value
        is Value.Bytes -> value
        is Value.Several -> values.map { it.plain }
    }

/** An attribute as what it is; null if there is none. */
public operator fun Record.get(attribute: String): Any? = attributes[attribute]?.plain

/** The body as text; null if it is not UTF-8. */
public val Record.bodyText: String?
    get() = try {
        body.decodeToString(throwOnInvalidSequence = true)
    } catch (_: CharacterCodingException) {
        null
    }

/** True if one of its nodes is here. */
public val MemberInfo.isPresent: Boolean get() = nodes.isNotEmpty()

/** True if a holder of this role may hand out another. */
public fun Role.mayGrant(other: Role): Boolean = nativeMayGrant(this, other)

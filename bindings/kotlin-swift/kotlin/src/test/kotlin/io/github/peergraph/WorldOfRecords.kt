package io.github.peergraph

import kotlin.time.Clock
import kotlin.time.Duration.Companion.seconds
import kotlin.time.Instant
import kotlinx.coroutines.flow.toList
import kotlinx.coroutines.withTimeoutOrNull

private fun attributes(step: Step): Map<String, Any>? =
    step.starting("attribute.").mapValues { (_, text) -> value(text) }.ifEmpty { null }

private fun value(text: String): Any {
    fun bad(): Nothing = wrong("$text is no value of an attribute")
    val rest = text.substringAfter(':', "")
    return when (text.substringBefore(':', "")) {
        "text" -> rest
        "int" -> rest.toLongOrNull() ?: bad()
        "float" -> when (rest) {
            "nan" -> Double.NaN
            "inf" -> Double.POSITIVE_INFINITY
            else -> rest.toDoubleOrNull() ?: bad()
        }
        "bool" -> rest.toBooleanStrictOrNull() ?: bad()
        "time" -> Instant.fromEpochSeconds(rest.toLongOrNull() ?: bad())
        "bytes" -> rest.hexToByteArray()
        "list" -> rest.split(',').map(::value)
        else -> bad()
    }
}

private fun shown(value: Value): String = when (value) {
    is Value.Text -> "text:${value.value}"
    is Value.Integer -> "int:${value.value}"
    is Value.Float -> "float:${if (value.value.isInfinite()) "inf" else value.value}"
    is Value.Boolean -> "bool:${value.value}"
    is Value.Time -> "time:${value.value.epochSeconds}"
    is Value.Bytes -> "bytes:${value.value.toHexString()}"
    is Value.Several -> "list:${joined(value.values.map(::shown))}"
}

private fun record(record: Record): Facts =
    record.attributes.map { (name, value) -> "attribute.$name" to shown(value) }.toMap() + facts(
        "id" to record.id, "type" to record.recordType, "version" to record.version, "text" to orNone(record.bodyText),
        "creator" to record.creator, "author" to record.author, "deleted" to record.deleted,
        "expires" to (record.expires != null),
    )

suspend fun World.records(step: Step): Facts? {
    suspend fun expires() = step.long("expires")?.let { Clock.System.now() + it.seconds }
    return when (step.verb) {
        "publish" -> record(
            graph(step.names[1]).publish(step.need("type"), step.opt("body") ?: "", attributes(step) ?: emptyMap(), expires()),
        )
        "update" -> record(
            graph(step.names[1]).update(
                RecordId.parse(step.need("id")), step.opt("body")?.encodeToByteArray(), attributes(step), expires(),
                step.number("expected_version"),
            ),
        )
        "get" -> graph(step.names[1]).get(RecordId.parse(step.need("id")))
            .let { found -> (found?.let(::record) ?: emptyMap()) + facts("found" to (found != null)) }
        "delete" -> facts("version" to graph(step.names[0]).delete(RecordId.parse(step.need("id"))))
        "conflicts" -> {
            val found = graph(step.names[1]).conflicts(step.opt("record")?.let(RecordId::parse)).items
            conflicts[step.names[0]] = found
            val first = found.firstOrNull()
            facts(
                "count" to found.size, "winner" to orNone(first?.winner?.bodyText), "loser" to orNone(first?.loser?.bodyText),
            )
        }
        "acknowledge-conflict" -> {
            val first = conflicts[step.need("conflict")]?.firstOrNull() ?: wrong("no conflict was found under this name")
            facts("known" to graph(step.names[0]).acknowledgeConflict(first.loser))
        }
        "list" -> {
            val query = ListQuery(
                recordType = step.opt("type"), creator = step.opt("creator")?.let(PeerId::parse),
                includeDeleted = step.flag("include_deleted") ?: false,
                includeReserved = step.flag("include_reserved") ?: false, limit = (step.int("page_size") ?: 0).toUInt(),
            )
            val pages = graph(step.names[0]).pages(query).toList()
            val all = pages.flatten()
            facts("count" to all.size, "texts" to joined(all.map { orNone(it.bodyText) }), "pages" to pages.size)
        }
        else -> null
    }
}

suspend fun World.events(step: Step): Facts? {
    val name = step.names[0]
    fun stream() = streams[name] ?: wrong("no stream is called $name")
    return when (step.verb) {
        "events" -> {
            val kinds = step.words("kinds").map { word ->
                EventKind.entries.find { snake(it) == word } ?: wrong("no kind of event is called $word")
            }
            val filter = EventFilter(
                kinds, step.words("types"), step.words("authors").map(PeerId::parse), step.words("data_types"),
            )
            val after = step.opt("after")
            val start = when {
                step.flag("snapshot") == true -> Start.Snapshot
                after != null -> Start.After(after.hexToByteArray())
                else -> Start.Now
            }
            streams[name] = graph(step.names[1]).subscribe(filter, start, step.int("capacity"))
            facts()
        }
        "next", "find" -> {
            val stream = stream()
            val there = withTimeoutOrNull(patience) { stream.hasNext() } ?: wrong("no event in time")
            if (there) event(stream.next()) else facts("kind" to "end")
        }
        "drain" -> generateSequence { stream().tryNext() }.toList().let { all ->
            facts("count" to all.size, "kinds" to joined(all.map { event(it)["kind"] }.toSortedSet(compareBy { it })))
        }
        "cursor" -> facts("cursor" to stream().cursor.toHexString())
        "close-events" -> stream().close().let { facts() }
        "save-cursor" -> graph(name).saveCursor(step.need("name"), step.need("cursor").hexToByteArray()).let { facts() }
        "load-cursor" -> facts("cursor" to orNone(graph(step.names[1]).loadCursor(step.need("name"))?.toHexString()))
        else -> null
    }
}

private fun connection(kind: String, change: ConnectionChange, connection: ULong, node: NodeId?, peer: PeerId?): Facts {
    val (word, reason, hop) = when (change) {
        ConnectionChange.Connected -> Triple("connected", null, null)
        is ConnectionChange.Disconnected -> Triple("disconnected", change.reason, null)
        is ConnectionChange.Failed -> Triple("failed", change.reason, null)
        is ConnectionChange.Referred -> Triple("referred", null, change.hop)
    }
    return facts(
        "kind" to kind, "change" to word, "connection" to connection, "node" to orNone(node), "peer" to orNone(peer),
        "reason" to orNone(reason?.let(::snake)), "hop" to orNone(hop),
    )
}

/** What an event tells. Exhaustive on purpose. */
private fun event(event: Event): Facts = when (event) {
    is Event.StatusChanged -> facts(
        "kind" to "status_changed", "listening" to event.status.listening,
        "connections" to event.status.hasConnections, "synchronized" to event.status.synchronized,
    )
    is Event.PropertyChanged ->
        properties(event.properties) + facts("kind" to "property_changed", "changed" to sorted(event.changed))
    is Event.RecordChanged -> record(event.record) + facts(
        "kind" to "record_changed", "change" to snake(event.change), "origin" to snake(event.origin),
        "conflict" to (event.conflict != null), "cursor" to event.cursor.toHexString(),
    )
    is Event.DirectConnection -> connection("direct_connection", event.change, event.connection, event.node, event.peer)
    is Event.NeighborConnection ->
        connection("neighbor_connection", event.change, event.connection, event.node, event.peer)
    is Event.IncomingData -> facts(
        "kind" to "incoming_data", "connection" to event.connection, "link" to snake(event.kind), "node" to event.node,
        "peer" to event.peer, "type" to event.dataType, "data" to event.data.decodeToString(),
    )
    is Event.ConnectionRequired -> facts("kind" to "connection_required", "reason" to snake(event.reason))
    is Event.NodeChanged -> facts(
        "kind" to "node_changed", "change" to snake(event.change), "node" to event.node.node, "peer" to event.node.peer,
        "attributes" to event.node.attributes,
    )
    is Event.Synchronized -> facts("kind" to "synchronized", "type" to orNone(event.recordType))
    is Event.MemberChanged -> facts(
        "kind" to "member_changed", "change" to snake(event.change), "peer" to event.member.peer,
        "name" to event.member.name, "role" to orNone(event.member.role?.let(::snake)),
    )
    is Event.ConnectionFailed -> facts("kind" to "connection_failed", "reason" to snake(event.reason))
    is Event.SyncProgress -> facts(
        "kind" to "sync_progress", "records" to event.progress.records, "expected" to event.progress.recordsExpected,
    )
    is Event.Lagged -> facts("kind" to "lagged", "dropped" to event.dropped)
    Event.Reset -> facts("kind" to "reset")
    is Event.CaughtUp -> facts("kind" to "caught_up", "cursor" to event.cursor.toHexString())
}

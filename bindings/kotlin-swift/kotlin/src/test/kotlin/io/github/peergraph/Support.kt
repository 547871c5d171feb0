package io.github.peergraph

import kotlin.test.fail
import kotlin.time.Duration.Companion.milliseconds
import kotlin.time.Duration.Companion.seconds
import kotlin.time.TimeSource
import kotlinx.coroutines.delay
import kotlinx.coroutines.runBlocking
import kotlinx.coroutines.withTimeout
import kotlinx.coroutines.withTimeoutOrNull

/** The longest that anything may take, on a busy machine too. */
val patience = 30.seconds

/** A test in real time that comes to an end. */
fun real(test: suspend () -> Unit) = runBlocking { withTimeout(patience * 4) { test() } }

/** Waits until something is so. */
suspend fun eventually(what: String, condition: suspend () -> Boolean) {
    val begun = TimeSource.Monotonic.markNow()
    while (!condition()) {
        if (begun.elapsedNow() > patience) fail("$what does not come to be")
        delay(5.milliseconds)
    }
}

private val graphs = java.util.concurrent.ConcurrentLinkedQueue<Graph>()

/** Stays online until its node ends: a graph that nobody has a handle of any more is closed, whenever that is noticed. */
fun <T : Graph> T.kept(): T = also { graphs += it }

suspend fun node(): Node = Node.start(NodeConfig.loopback())

suspend inline fun <reified T : PeergraphException> failing(call: suspend () -> Any?): T {
    val result = try {
        call()
    } catch (error: PeergraphException) {
        if (error is T) return error
        fail("failed with ${error.kind}: ${error.message}", error)
    }
    fail("should have failed: $result")
}

/** The next event, which must come in time. */
suspend fun soon(events: EventSubscription): Event =
    withTimeoutOrNull(patience) { events.receive() ?: fail("the stream has ended") } ?: fail("no event comes")

/** The first event that a function makes something of; those before it are passed over. */
suspend fun <T : Any> find(events: EventSubscription, fits: (Event) -> T?): T {
    while (true) fits(soon(events))?.let { return it }
}

/** All that waits. */
fun EventSubscription.all(): List<Event> = drain(Int.MAX_VALUE)

/** The text of the record that changed. */
val Event.text: String? get() = (this as? Event.RecordChanged)?.record?.bodyText

/** `RecordChanged` is `record_changed`, and `RECORD_CHANGED` is too. */
fun snake(name: String): String = name.replace(Regex("(?<=[a-z])(?=[A-Z])"), "_").lowercase()

/** Its kind, as the schema has it. */
val Event.kind: String get() = snake(this::class.simpleName!!)

/** Nodes of the loopback interface that are shut down at the end, the last first. */
suspend fun <R> nodes(count: Int, test: suspend (List<Node>) -> R): R {
    val nodes = List(count) { node() }
    try {
        return test(nodes)
    } finally {
        nodes.asReversed().forEach { it.shutdown() }
    }
}

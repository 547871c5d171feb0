package io.github.peergraph

import kotlin.test.fail
import kotlin.time.Duration.Companion.milliseconds
import kotlin.time.Duration.Companion.seconds
import kotlin.time.TimeSource
import kotlinx.coroutines.delay
import kotlinx.coroutines.runBlocking
import kotlinx.coroutines.withTimeout

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

package io.github.peergraph

import java.io.File
import java.time.Instant as JavaInstant
import kotlin.system.exitProcess
import kotlin.time.Duration
import kotlin.time.Duration.Companion.seconds
import kotlin.time.TimeSource
import kotlinx.coroutines.async
import kotlinx.coroutines.awaitAll
import kotlinx.coroutines.coroutineScope
import kotlinx.coroutines.delay
import kotlinx.coroutines.flow.takeWhile
import kotlinx.coroutines.runBlocking

private const val RECORDS = 20_000
private const val AT_ONCE = 500
private const val IN_MEMORY = 1_000
private val body = ByteArray(32) { 7 }
private val records = EventFilter(kinds = listOf(EventKind.RECORD_CHANGED), recordTypes = listOf("tick"))
private val rates = linkedMapOf<String, MutableList<Double>>()

private fun told(name: String, count: Int, took: Duration) {
    rates.getOrPut(name) { mutableListOf() } += count / (took.inWholeNanoseconds / 1e9)
}

private fun sizeOf(event: Event): Int = if (event is Event.RecordChanged) event.record.body.size else -1

private suspend fun publish(graph: Graph, count: Int) = coroutineScope {
    for (begin in 0 until count step AT_ONCE) {
        List(minOf(AT_ONCE, count - begin)) { async { graph.publish("tick", body) } }.awaitAll()
    }
}

private suspend fun published(graph: Graph) {
    var began = TimeSource.Monotonic.markNow()
    publish(graph, RECORDS)
    told("publish, 500 at a time", RECORDS, began.elapsedNow())
    began = TimeSource.Monotonic.markNow()
    repeat(IN_MEMORY) { graph.publish("tick", body) }
    told("publish, one by one", IN_MEMORY, began.elapsedNow())
}

private suspend fun fromDatabase(graph: Graph) {
    var (bytes, count) = 0 to 0
    var began = TimeSource.Monotonic.markNow()
    graph.subscribe(records, Start.Snapshot).use { events ->
        for (event in events) {
            val size = sizeOf(event)
            if (size < 0) break
            bytes += size
            count++
        }
    }
    told("snapshot, for (event in ...)", count, began.elapsedNow())
    check(bytes == count * body.size && count > RECORDS) { "records are missing" }

    bytes = 0
    count = 0
    began = TimeSource.Monotonic.markNow()
    graph.events(records, Start.Snapshot).takeWhile { it is Event.RecordChanged }.collect {
        bytes += sizeOf(it)
        count++
    }
    told("snapshot, Flow", count, began.elapsedNow())
    check(bytes == count * body.size) { "bytes are missing" }
}

/** What waits in the library already. */
private suspend fun fromMemory(node: Node) {
    val graph = node.createGraph("memory")
    repeat(10) {
        val events = graph.subscribe(records)
        val again = graph.subscribe(records)
        publish(graph, IN_MEMORY)
        var began = TimeSource.Monotonic.markNow()
        var bytes = 0
        repeat(IN_MEMORY) { bytes += if (events.hasNext()) sizeOf(events.next()) else 0 }
        told("from memory, for (event in ...)", IN_MEMORY, began.elapsedNow())
        var left = IN_MEMORY
        began = TimeSource.Monotonic.markNow()
        again.asFlow().takeWhile { bytes += sizeOf(it); --left > 0 }.collect {}
        told("from memory, Flow", IN_MEMORY, began.elapsedNow())
        check(bytes == 2 * IN_MEMORY * body.size) { "bytes are missing" }
        events.close()
        again.close()
    }
    graph.close()
}

/** One awaited call for each event, as bindings have that hand out events one by one. */
private suspend fun oneByOne(graph: Graph) {
    val events = graph.native.subscribe(records, Start.Snapshot, null)
    val began = TimeSource.Monotonic.markNow()
    var count = 0
    while (count < 2_000) {
        graph.peerTime()
        count += if (events.take()?.let(::sizeOf) == body.size) 1 else 0
    }
    told("an awaited call per event", count, began.elapsedNow())
    events.end()
}

private fun resident(): Int = File("/proc/self/status").readLines().first { it.startsWith("VmRSS") }
    .filter(Char::isDigit).toInt() / 1024

/** A process of its own: from its start to its first event, then what it takes in memory when nothing happens. */
private suspend fun cold() {
    val before = resident()
    val begun = ProcessHandle.current().info().startInstant().get()
    val entered = JavaInstant.now()
    val node = Node.start(NodeConfig.loopback())
    val graph = node.createGraph("cold")
    val events = graph.subscribe(records)
    graph.publish("tick", body)
    check(events.hasNext() && sizeOf(events.next()) > 0)
    val now = JavaInstant.now()
    System.gc()
    delay(3.seconds)
    println("from main() to the first event: ${now.toEpochMilli() - entered.toEpochMilli()} ms")
    println("from the start of the process to the first event: ${now.toEpochMilli() - begun.toEpochMilli()} ms")
    println("resident: $before MiB in main(), ${resident()} MiB with an idle node and a graph")
    node.shutdown()
}

/** To be read, not passed: `bench.sh`. */
fun main(arguments: Array<String>) {
    if (arguments.contentEquals(arrayOf("cold"))) return runBlocking { cold() }
    val rounds = arguments.firstOrNull()?.toIntOrNull() ?: run {
        System.err.println("rounds, or cold")
        exitProcess(2)
    }
    runBlocking {
        Node.start(NodeConfig.loopback().copy(durability = Durability.RELAXED)).use { node ->
            val graph = node.createGraph("bench")
            published(graph)
            repeat(rounds) {
                fromDatabase(graph)
                fromMemory(node)
                oneByOne(graph)
            }
        }
    }
    val medians = rates.mapValues { (_, all) -> all.sorted()[all.size / 2] }
    val single = medians.getValue("an awaited call per event")
    for ((name, rate) in medians) println("%-32s %,12.0f /s  %8.1f x".format(name, rate, rate / single))
}

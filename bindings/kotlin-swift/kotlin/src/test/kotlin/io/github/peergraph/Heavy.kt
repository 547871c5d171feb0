package io.github.peergraph

import java.nio.file.Files
import kotlinx.coroutines.flow.first
import kotlinx.coroutines.runBlocking

private const val COUNT = 400
private const val BYTES = 1_000_000

/** A process with a small heap that reads many large records, in each of the ways there are. */
fun main() = runBlocking {
    val dir = Files.createTempDirectory("peergraph-heavy")
    try {
        Node.start(NodeConfig.loopback().copy(dataDir = dir, durability = Durability.RELAXED)).use { node ->
            val graph = node.createGraph("heavy")
            val body = ByteArray(BYTES)
            val live = graph.subscribe(EventFilter(EventKind.RECORD_CHANGED))
            repeat(COUNT) { graph.publish("t", body) }
            var events = 0
            for (event in live) {
                check((event as Event.RecordChanged).record.body.size == BYTES)
                if (++events == COUNT) break
            }
            live.close()
            println("live: $events")
            val filter = EventFilter(EventKind.RECORD_CHANGED)
            check((graph.events(filter, Start.Snapshot).first() as Event.RecordChanged).record.body.size == BYTES)
            events = 0
            graph.subscribe(filter, Start.Snapshot).use { for (event in it) if (event is Event.CaughtUp) break else events += 1 }
            println("snapshot: $events")
            check(graph.records(ListQuery(recordType = "t")).first().body.size == BYTES)
            var records = 0
            graph.records(ListQuery(recordType = "t")).collect { records += 1 }
            println("records: $records")
        }
    } finally {
        dir.toFile().deleteRecursively()
    }
}

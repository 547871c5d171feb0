package io.github.peergraph

import java.lang.ref.WeakReference
import java.util.concurrent.TimeUnit
import kotlin.test.assertEquals
import kotlin.test.assertFalse
import kotlin.test.assertIs
import kotlin.test.assertNull
import kotlin.test.assertTrue
import kotlin.test.fail
import kotlin.time.Duration.Companion.microseconds
import kotlin.time.Duration.Companion.milliseconds
import kotlin.time.Duration.Companion.seconds
import kotlin.time.measureTime
import kotlinx.coroutines.DelicateCoroutinesApi
import kotlinx.coroutines.CompletableDeferred
import kotlinx.coroutines.Dispatchers
import kotlinx.coroutines.GlobalScope
import kotlinx.coroutines.cancelAndJoin
import kotlinx.coroutines.coroutineScope
import kotlinx.coroutines.delay
import kotlinx.coroutines.flow.take
import kotlinx.coroutines.flow.toList
import kotlinx.coroutines.launch
import kotlinx.coroutines.runBlocking
import kotlinx.coroutines.withTimeoutOrNull
import org.junit.jupiter.api.AfterAll
import org.junit.jupiter.api.BeforeAll
import org.junit.jupiter.api.RepeatedTest
import org.junit.jupiter.api.TestInstance

private const val TIMES = 25

@TestInstance(TestInstance.Lifecycle.PER_CLASS)
class RaceTest {
    private lateinit var node: Node
    private lateinit var graph: Graph
    private val records = EventFilter(EventKind.RECORD_CHANGED)

    @BeforeAll
    fun start() = runBlocking {
        node = node()
        graph = node.createGraph("races")
    }

    @AfterAll
    fun end() = runBlocking { node.shutdown() }

    @RepeatedTest(TIMES)
    fun `timeouts lose nothing`() = real {
        val events = graph.subscribe(records)
        val seen = mutableListOf<String?>()
        coroutineScope {
            launch(Dispatchers.Default) { repeat(60) { graph.publish("t", "$it") } }
            while (seen.size < 60) {
                withTimeoutOrNull(200.microseconds) {
                    for (event in events) seen += assertIs<Event.RecordChanged>(event).record.bodyText
                }
            }
        }
        assertEquals<List<String?>>((0..59).map { "$it" }, seen)
        events.close()
    }

    @RepeatedTest(TIMES)
    fun `cancelling is prompt`() = real {
        val events = graph.subscribe(records)
        val waiting = GlobalScope.launch { events.hasNext() }
        delay(1.milliseconds)
        val took = measureTime { waiting.cancelAndJoin() }
        assertTrue(took < 1.seconds, "$took")
        graph.publish("t", "later")
        assertEquals("later", assertIs<Event.RecordChanged>(events.receive()).record.bodyText)
        events.close()
    }

    @RepeatedTest(TIMES)
    fun `ending a flow closes its subscription`() = real {
        val events = graph.subscribe(records, Start.Snapshot)
        graph.publish("t", "1")
        graph.publish("t", "2")
        val taken = graph.events(records, Start.Snapshot).take(2).toList()
        assertEquals(2, taken.size)
        events.use { for (event in it) break }
        assertNull(events.receive())
        assertNull(events.tryNext())
    }

    @RepeatedTest(TIMES)
    fun `what nobody holds is collected`() {
        val streams = List(4) { WeakReference(graph.subscribe(records)) }
        repeat(200) {
            if (streams.all { it.get() == null }) return
            System.gc()
            Thread.sleep(5)
        }
        fail("${streams.count { it.get() != null }} of 4 are still there")
    }

    @OptIn(DelicateCoroutinesApi::class)
    @RepeatedTest(TIMES)
    fun `who waits and is held by nobody still wakes`() = real {
        val heard = CompletableDeferred<String?>()
        abandon(heard)
        delay(2.milliseconds)
        System.gc()
        graph.publish("orphan", "still there")
        assertEquals("still there", heard.await())
    }

    @OptIn(DelicateCoroutinesApi::class)
    private fun abandon(heard: CompletableDeferred<String?>) {
        val events = graph.subscribe(EventFilter(recordTypes = listOf("orphan"), kinds = listOf(EventKind.RECORD_CHANGED)))
        GlobalScope.launch(Dispatchers.Unconfined) {
            heard.complete((events.receive() as Event.RecordChanged).record.bodyText)
        }
    }

    @RepeatedTest(TIMES)
    fun `a process ends while events arrive`() {
        val java = ProcessHandle.current().info().command().get()
        val started = ProcessBuilder(java, "-cp", System.getProperty("java.class.path"), "-Xshare:auto", "-XX:TieredStopAtLevel=1",
            "io.github.peergraph.BusyKt").redirectErrorStream(true).start()
        val said = started.inputStream.bufferedReader().readText()
        assertTrue(started.waitFor(60, TimeUnit.SECONDS), "the process does not end")
        assertEquals(0, started.exitValue(), said)
        assertFalse(said.contains("panic"), said)
        assertTrue(said.contains("busy"), said)
    }
}

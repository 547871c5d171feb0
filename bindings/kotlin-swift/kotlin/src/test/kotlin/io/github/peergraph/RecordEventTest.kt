package io.github.peergraph

import kotlin.test.Test
import kotlin.test.assertContains
import kotlin.test.assertEquals
import kotlin.test.assertFalse
import kotlin.test.assertIs
import kotlin.test.assertNull
import kotlin.test.assertTrue
import kotlin.time.Clock
import kotlin.time.Duration.Companion.seconds
import kotlinx.coroutines.async
import kotlinx.coroutines.coroutineScope
import kotlinx.coroutines.flow.take
import kotlinx.coroutines.flow.toList
import kotlinx.coroutines.launch

/** Events by the numbers of the conformance list: registering, records, properties. */
class RecordEventTest {
    private val ofRecords = EventFilter(EventKind.RECORD_CHANGED)

    @Test
    fun e1_only_registered_kinds_are_delivered() = real {
        node().use { node ->
            val graph = node.createGraph("e1").kept()
            val kinds = listOf(EventKind.STATUS_CHANGED, EventKind.PROPERTY_CHANGED, EventKind.RECORD_CHANGED)
            val alone = kinds.map { graph.subscribe(EventFilter(it)) }
            val two = graph.subscribe(EventFilter(EventKind.STATUS_CHANGED, EventKind.RECORD_CHANGED))
            val all = graph.subscribe()
            graph.publish("t", "1")
            graph.setProperties(comment = "new")
            graph.listen()
            for ((kind, events) in kinds.zip(alone)) {
                val told = listOf(soon(events)) + events.all()
                assertEquals(setOf(snake(kind.name)), told.map { it.kind }.toSet())
            }
            assertEquals(setOf("status_changed", "record_changed"), two.all().map { it.kind }.toSet())
            assertTrue(all.all().map { it.kind }.containsAll(kinds.map { snake(it.name) }))
        }
    }

    @Test
    fun e3_records_are_filtered_by_type_and_author_and_data_by_type() = real {
        nodes(2) { (node, other) ->
            val graph = node.createGraph("e3").kept()
            fun texts(filter: EventFilter) = graph.subscribe(filter).let { events -> { events.all().map { it.text } } }
            val kinds = listOf(EventKind.RECORD_CHANGED)
            val one = texts(EventFilter(kinds, recordTypes = listOf("a")))
            val two = texts(EventFilter(kinds, recordTypes = listOf("a", "b"), authors = listOf(node.peerId)))
            val every = texts(ofRecords)
            val nobody = texts(EventFilter(kinds, authors = listOf(other.peerId)))
            for (type in listOf("a", "b", "c")) graph.publish(type, type)
            assertEquals(
                listOf(listOf("a"), listOf("a", "b"), listOf("a", "b", "c"), listOf()), listOf(one(), two(), every(), nobody()),
            )
            val data = graph.subscribe(
                EventFilter(listOf(EventKind.DIRECT_CONNECTION, EventKind.INCOMING_DATA), dataTypes = listOf("wanted")),
            )
            graph.listen()
            val direct = other.join(graph.ticket()).kept().openDirect(Target(node.id))
            assertFalse(direct.send("other", byteArrayOf(1)).delivered())
            assertTrue(direct.send("wanted", byteArrayOf(2)).delivered())
            assertEquals(listOf<Byte>(2), find(data) { (it as? Event.IncomingData)?.data?.toList() })
        }
    }

    @Test
    fun e4_each_registration_gets_every_matching_event() = real {
        node().use { node ->
            val graph = node.createGraph("e4").kept()
            val streams = List(5) { graph.subscribe(ofRecords) }
            repeat(20) { graph.publish("t", "$it") }
            for (events in streams) assertEquals(List<String?>(20) { "$it" }, events.all().map { it.text })
        }
    }

    @Test
    fun e5_empty_is_said_and_nothing_stays_without_a_wake_up() = real {
        node().use { node ->
            val graph = node.createGraph("e5").kept()
            val events = graph.subscribe(ofRecords)
            assertNull(events.tryNext())
            coroutineScope {
                val first = async { soon(events).text }
                repeat(10) { graph.publish("t", "$it") }
                assertEquals("0", first.await())
            }
            assertEquals(List<String?>(9) { "${it + 1}" }, events.all().map { it.text })
            assertEquals(listOf(null, null), listOf(events.tryNext(), events.tryNext()))
            // A wake-up for what was drained already: the wait goes on until there is something.
            coroutineScope {
                val next = async { soon(events).text }
                graph.publish("t", "again")
                assertEquals("again", next.await())
            }
        }
    }

    @Test
    fun e6_after_unregistering_nothing_is_delivered() = real {
        node().use { node ->
            val graph = node.createGraph("e6").kept()
            val events = graph.subscribe(ofRecords)
            graph.publish("t", "pending")
            events.close()
            graph.publish("t", "later")
            assertNull(events.tryNext())
            assertEquals(listOf(), events.all())
            assertNull(events.receive())
            events.close()
            // Whoever waits gets the end.
            val waited = graph.subscribe(ofRecords)
            coroutineScope {
                val waiting = async { waited.receive() }
                launch { waited.close() }
                assertNull(waiting.await())
            }
        }
    }

    @Test
    fun e8_properties_tell_what_changed_and_only_then() = real {
        node().use { node ->
            val graph = node.createGraph("before").kept()
            val events = graph.subscribe(EventFilter(EventKind.PROPERTY_CHANGED))
            val now = graph.setProperties(name = "after", presenceLifetime = 600.seconds)
            val told = assertIs<Event.PropertyChanged>(soon(events))
            assertEquals(setOf("name", "presence_lifetime"), told.changed.toSet())
            assertEquals(now, told.properties)
            assertEquals("after", now.name)
            graph.setProperties(name = "after")
            graph.setProperties(comment = "new")
            assertEquals(listOf("comment"), assertIs<Event.PropertyChanged>(soon(events)).changed, "the same again is no change")
        }
    }

    private suspend fun change(events: EventSubscription) = find(events) { it as? Event.RecordChanged }

    @Test
    fun e9_records_are_added_updated_deleted_and_expire_wherever_it_happens() = real {
        nodes(2) { (node, other) ->
            val graph = node.createGraph("e9").kept()
            graph.listen()
            val here = graph.subscribe(ofRecords)
            val record = graph.publish("t", "one")
            change(here).let { assertEquals(Triple(ChangeKind.ADDED, ChangeOrigin.LOCAL, record.id), Triple(it.change, it.origin, it.record.id)) }
            val ticket = graph.ticket()
            val joined = other.openGraph(ticket).kept()
            val there = joined.subscribe(ofRecords)
            joined.enter(Target(ticket))
            change(there).let {
                assertEquals(Triple(ChangeKind.ADDED, ChangeOrigin.SYNC, record.id), Triple(it.change, it.origin, it.record.id))
                assertEquals("t", it.record.recordType)
            }
            graph.update(record.id, "two")
            change(there).let { assertEquals(Triple(ChangeKind.UPDATED, ChangeOrigin.FLOOD, "two"), Triple(it.change, it.origin, it.text)) }
            graph.delete(record.id)
            change(there).let {
                assertEquals(Triple(ChangeKind.DELETED, record.id, true), Triple(it.change, it.record.id, it.record.deleted))
                assertEquals(0, it.record.body.size)
            }
            val brief = joined.publish("t", "brief", expires = Clock.System.now() + 1.seconds)
            assertEquals(ChangeKind.ADDED, change(there).change)
            change(there).let { assertEquals(ChangeKind.EXPIRED to brief.id, it.change to it.record.id) }
        }
    }

    @Test
    fun e10_a_record_event_carries_the_record() = real {
        node().use { node ->
            val graph = node.createGraph("e10").kept()
            val events = graph.subscribe(ofRecords)
            val published = graph.publish("t", "body", mapOf("a" to 1))
            val told = change(events).record
            assertEquals(listOf<Any?>(published.id, 1uL, "t", "body", 1L, node.peerId, node.peerId),
                listOf(told.id, told.version, told.recordType, told.bodyText, told["a"], told.author, told.creator))
            assertEquals(told.modified, graph.get(told.id)!!.modified)
        }
    }

    @Test
    fun e20_a_snapshot_goes_over_into_what_happens_without_gap_or_repeat() = real {
        node().use { node ->
            val graph = node.createGraph("e20").kept()
            repeat(50) { graph.publish("t", "$it") }
            val texts = mutableListOf<String?>()
            var caughtUp = 0
            coroutineScope {
                launch { for (turn in 50..<150) graph.publish("t", "$turn") }
                val events = graph.subscribe(EventFilter(listOf(EventKind.RECORD_CHANGED), listOf("t")), Start.Snapshot)
                while (texts.size < 150) {
                    val event = soon(events)
                    if (event is Event.CaughtUp) caughtUp += 1 else texts += event.text
                }
            }
            assertEquals(1, caughtUp)
            assertEquals(List<String?>(150) { "$it" }, texts)
            val foreign = graph.subscribe(ofRecords, Start.After(ByteArray(24)))
            assertEquals(Event.Reset, soon(foreign))
        }
    }

    @Test
    fun e21_a_slow_reader_loses_no_record_and_is_told_of_what_else_it_missed() = real {
        node().use { node ->
            val graph = node.createGraph("e21").kept()
            val records = graph.subscribe(ofRecords, capacity = 16)
            val links = graph.subscribe(EventFilter(EventKind.NEIGHBOR_CONNECTION))
            repeat(500) { graph.publish("t", "$it") }
            repeat(1500) { failing<PeergraphException.ConnectToSelf> { graph.connect(Target(node.addr)) } }
            repeat(500) { assertEquals("$it", soon(records).text) }
            assertEquals(Event.Lagged((1500 - 1024).toULong()), soon(links))
            assertEquals(List(1024) { "neighbor_connection" }, links.all().map { it.kind })
        }
    }

    @Test
    fun e23_loop_wait_polling_and_flow_give_the_same() = real {
        node().use { node ->
            val graph = node.createGraph("e23").kept()
            val streams = List(4) { graph.subscribe(ofRecords) }
            repeat(40) { graph.publish("t", "$it") }
            val looped = mutableListOf<Event>()
            for (event in streams[0]) {
                looped += event
                if (looped.size == 40) break
            }
            val waited = List(40) { soon(streams[1]) }
            val polled = generateSequence(streams[2]::tryNext).toList()
            val flowed = streams[3].asFlow().take(40).toList()
            for (told in listOf(looped, waited, polled, flowed)) {
                assertEquals(List<String?>(40) { "$it" }, told.map { it.text })
                assertContains(told.map { it.kind }.toSet(), "record_changed")
            }
        }
    }
}

package io.github.peergraph

import java.nio.file.Files
import kotlin.test.Test
import kotlin.test.assertContains
import kotlin.test.assertEquals
import kotlin.test.assertFalse
import kotlin.test.assertTrue
import kotlin.test.assertNull
import kotlin.test.assertFailsWith
import kotlin.time.Duration
import kotlin.time.Duration.Companion.milliseconds
import kotlin.time.Duration.Companion.seconds
import kotlin.time.measureTime
import kotlinx.coroutines.flow.collect
import kotlinx.coroutines.flow.toList

/** Events of groups by the numbers of the conformance list, and what holds everywhere. */
class GroupEventTest {
    private suspend fun member(group: Group, node: Node, name: String = "Ben", life: Duration? = null) =
        node.joinGroup(if (life == null) group.inviteLink() else group.inviteLink(lifetime = life), name = name).kept()

    @Test
    fun e2_any_subset_of_the_group_events_can_be_registered() = real {
        val kinds = listOf(
            EventKind.STATUS_CHANGED, EventKind.PROPERTY_CHANGED, EventKind.RECORD_CHANGED, EventKind.DIRECT_CONNECTION,
            EventKind.NEIGHBOR_CONNECTION, EventKind.INCOMING_DATA, EventKind.MEMBER_CHANGED, EventKind.CONNECTION_FAILED,
        )
        val dir = Files.createTempDirectory("peergraph")
        try {
            node().use { node ->
                Node.start(NodeConfig.loopback().copy(dataDir = dir)).use { ben ->
                    val club = node.createGroup("e2").kept()
                    member(club, ben).close()
                    val bens = ben.openGroup(club.id).kept()
                    // Each alone, each with the next, and all: before anything of its kind happens.
                    val subsets = kinds.map(::listOf) + kinds.zipWithNext { one, next -> listOf(one, next) } + listOf(kinds)
                    val registered = subsets.map { bens.subscribe(EventFilter(it)) to it.map { kind -> snake(kind.name) }.toSet() }
                    bens.enter(Target(node.addr))
                    club.setProperties(comment = "new")
                    club.publish("note", "a record")
                    val direct = club.openDirect(Target(ben.id))
                    assertTrue(direct.send("data", "data".encodeToByteArray()).delivered())
                    club.remove(ben.peerId)
                    eventually("he is out") { bens.neighbors().isEmpty() }
                    failing<PeergraphException.NotAuthorized> { bens.enter(Target(node.addr)) }
                    for ((events, wanted) in registered) {
                        val missing = wanted.toMutableSet()
                        while (missing.isNotEmpty()) {
                            val event = soon(events)
                            assertContains(wanted, event.kind)
                            missing -= event.kind
                        }
                    }
                }
            }
        } finally {
            dir.toFile().deleteRecursively()
        }
    }

    @Test
    fun e17_members_join_come_change_go_leave_and_are_removed() = real {
        nodes(4) { (node, ben, cyd, dan) ->
            val club = node.createGroup("e17").kept()
            val events = club.subscribe(EventFilter(EventKind.MEMBER_CHANGED))
            suspend fun told(wanted: MemberChange) =
                find(events) { (it as? Event.MemberChanged)?.takeIf { it.change == wanted }?.member }
            var bens = member(club, ben)
            told(MemberChange.JOINED).let { assertEquals(Triple(ben.peerId, "Ben", Role.MEMBER), Triple(it.peer, it.name, it.role)) }
            told(MemberChange.CONNECTED).let {
                assertEquals(Triple(ben.peerId, listOf(ben.id), true), Triple(it.peer, it.nodes.map { at -> at.node }, it.isPresent))
            }
            club.setRole(ben.peerId, Role.INVITER)
            assertEquals(Role.INVITER, told(MemberChange.UPDATED).role)
            bens.close()
            told(MemberChange.DISCONNECTED).let { assertEquals(Triple(ben.peerId, Role.INVITER, false), Triple(it.peer, it.role, it.isPresent)) }
            bens = member(club, ben)
            assertEquals(ben.peerId, told(MemberChange.CONNECTED).peer)
            bens.leave()
            told(MemberChange.LEFT).let { assertEquals(ben.peerId to null, it.peer to it.role) }
            member(club, cyd, "Cyd")
            assertEquals(cyd.peerId, told(MemberChange.CONNECTED).peer)
            club.remove(cyd.peerId)
            told(MemberChange.REMOVED).let { assertEquals(Triple(cyd.peerId, "Cyd", null), Triple(it.peer, it.name, it.role)) }
            member(club, dan, "Dan", 5.seconds)
            assertEquals(dan.peerId, told(MemberChange.EXPIRED).peer)
        }
    }

    @Test
    fun e18_a_group_that_cannot_be_entered_says_why_once() = real {
        nodes(2) { (node, other) ->
            val club = node.createGroup("e18").kept()
            val byPassword = club.setPassword("open sesame", lifetime = 5.seconds)
            val bens = other.joinGroup(byPassword, password = "open sesame").kept()
            val events = bens.subscribe(EventFilter(EventKind.CONNECTION_FAILED))
            suspend fun told(): GroupFailure {
                val reason = find(events) { (it as? Event.ConnectionFailed)?.reason }
                assertEquals(listOf(), events.all(), "once")
                return reason
            }
            eventually("his time is over") { bens.role() == null && bens.neighbors().isEmpty() }
            // By the other's clock a moment later: until then he is let in.
            eventually("he is turned away") {
                runCatching { bens.enter(Target(node.addr)) }.exceptionOrNull() is PeergraphException.NotAuthorized
            }
            assertEquals(GroupFailure.NOT_AUTHORIZED, told())
            failing<PeergraphException.WrongPassword> { other.joinGroup(byPassword, password = "shut sesame") }
            assertEquals(GroupFailure.WRONG_PASSWORD, told())
            val revoked = club.inviteLink()
            club.revokeInvitation(club.invitations().first().key)
            failing<PeergraphException.InvitationRevoked> { other.joinGroup(revoked) }
            assertEquals(GroupFailure.INVITATION_INVALID, told())
            val link = club.inviteLink()
            node.shutdown()
            failing<PeergraphException.Unreachable> { other.joinGroup(link) }
            assertEquals(GroupFailure.NONE_CONNECTABLE, told())
        }
    }

    @Test
    fun x1_errors_are_typed_and_outcomes_that_are_none_are_values() = real {
        node().use { node ->
            val graph = node.createGraph("x1").kept()
            val error = assertFailsWith<PeergraphException.ConnectToSelf> { graph.connect(Target(node.addr)) }
            assertEquals("ConnectToSelf" to 60, error.kind to error.code)
            assertFalse(error.message.isNullOrEmpty())
            assertEquals(OpenOutcome.CREATED, graph.openOutcome)
            assertEquals(ListenOutcome.STARTED, graph.listen())
            assertEquals(ListenOutcome.ALREADY_LISTENING, graph.listen())
        }
    }

    @Test
    fun x2_what_can_last_has_a_deadline() = real {
        nodes(3) { (node, other, late) ->
            val graph = node.createGraph("x2").kept()
            val nobody = NodeAddr(other.id, listOf("127.0.0.1:9"), null)
            other.shutdown()
            val connecting = measureTime {
                failing<PeergraphException.TimedOut> { graph.connect(Target(nobody), deadline = 300.milliseconds) }
            }
            assertTrue(connecting < 10.seconds, "$connecting")
            val link = node.createGroup("x2").kept().inviteLink()
            node.shutdown()
            val joining = measureTime {
                val error = assertFailsWith<PeergraphException> { late.joinGroup(link, deadline = 1.seconds) }
                assertContains(listOf("TimedOut", "Unreachable"), error.kind)
            }
            assertTrue(joining < 10.seconds, "$joining")
        }
    }

    @Test
    fun x3_lists_are_snapshots_paged_sized_and_end() = real {
        node().use { node ->
            val graph = node.createGraph("x3").kept()
            repeat(25) { graph.publish(if (it % 2 == 0) "even" else "odd", "$it") }
            val sizes = mutableListOf<Int>()
            graph.pages(ListQuery(limit = 10u)).collect { page ->
                // Not in a list that has begun.
                if (sizes.isEmpty()) graph.publish("even", "late")
                sizes += page.size
            }
            assertEquals(listOf(10, 10, 5), sizes)
            val odd = graph.records(ListQuery(recordType = "odd")).toList()
            assertEquals((1..<25 step 2).map { "$it" }, odd.map { it.bodyText })
            assertEquals(listOf(), graph.records(ListQuery(recordType = "none")).toList())
            val page = graph.list(ListQuery(limit = 1000u, count = true))
            assertEquals(26uL to 26, page.total to page.items.size)
            assertNull(page.next)
        }
    }
}

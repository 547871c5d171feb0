package io.github.peergraph.examples

import io.github.peergraph.ChangeKind
import io.github.peergraph.Event
import io.github.peergraph.EventFilter
import io.github.peergraph.EventKind
import io.github.peergraph.Group
import io.github.peergraph.Invitation
import io.github.peergraph.Node
import io.github.peergraph.NodeConfig
import io.github.peergraph.PeerId
import io.github.peergraph.PeergraphException
import io.github.peergraph.Start
import io.github.peergraph.SyncProgress
import io.github.peergraph.Target
import io.github.peergraph.bodyText
import io.github.peergraph.groupRules
import io.github.peergraph.kind
import kotlin.time.Clock
import kotlin.time.Instant
import kotlinx.coroutines.CoroutineScope
import kotlinx.coroutines.Job
import kotlinx.coroutines.NonCancellable
import kotlinx.coroutines.flow.MutableStateFlow
import kotlinx.coroutines.flow.StateFlow
import kotlinx.coroutines.flow.asStateFlow
import kotlinx.coroutines.flow.update
import kotlinx.coroutines.launch
import kotlinx.coroutines.sync.Mutex
import kotlinx.coroutines.sync.withLock
import kotlinx.coroutines.withContext

/** One line of the chat. */
data class Message(val author: String, val text: String, val at: Instant, val isPrivate: Boolean = false)

/** All that a screen shows. */
data class ChatState(
    val title: String? = null,
    val messages: List<Message> = emptyList(),
    val present: List<String> = emptyList(),
    val error: String? = null,
    /** How much of what others have is here, from 0 to 1, while it comes in. */
    val progress: Float? = null,
    /** Calls that are under way. */
    val calls: Int = 0,
) {
    val isBusy: Boolean get() = calls > 0
}

/**
 * A chat in a group, for any screen: calls do something, [state] tells what is to be seen. Nothing here is Android's or a
 * terminal's. What goes wrong is in [ChatState.error] until the next call.
 *
 * Messages are records of the group, so whoever joins later reads them too; private ones go over a direct connection and are
 * kept nowhere.
 */
class ChatModel(private val scope: CoroutineScope, private val config: NodeConfig) {
    private val states = MutableStateFlow(ChatState())

    /** One group at a time is made, joined or opened, which may take as long as the others do. Nothing else waits for it. */
    private val entering = Mutex()

    /** Pausing and resuming, one after the other. */
    private val changing = Mutex()
    @Volatile private var isAway = false
    @Volatile private var node: Node? = null
    @Volatile private var group: Group? = null
    private var reading: Job? = null
    private val names = mutableMapOf<PeerId, String>()

    val state: StateFlow<ChatState> = states.asStateFlow()

    /** Makes a group. */
    suspend fun create(title: String, name: String) = enter { it.createGroup(title, groupRules(creatorName = name)) }

    /** Joins a group by what [invite] gave somebody else. */
    suspend fun join(invitation: String, name: String) = enter {
        it.joinGroup(invitation.trim(), name = name, onProgress = ::show)
    }

    /** Goes on with the group that the data directory has, if it has one: online at once, with or without the others. */
    suspend fun reopen() = enter { node -> node.storedGroups().firstOrNull()?.let { node.openGroup(it) } }

    /** A link for up to 20 others; null if that did not work. */
    suspend fun invite(): Invitation? {
        var link: Invitation? = null
        doing { link = entered().inviteLink(uses = 20) }
        return link
    }

    /** Says something to all. */
    suspend fun send(text: String) = doing { entered().publish("chat.message", text) }

    /** Says something to one of those who are here. */
    suspend fun whisper(name: String, text: String) = doing {
        val group = entered()
        val found = group.presentMembers().filter { it.name == name && it.peer != node?.peerId }
        val member = found.singleOrNull()
            ?: throw PeergraphException.NotFound(if (found.isEmpty()) "$name is not here" else "there are ${found.size} of that name")
        val direct = group.openDirect(Target(member.peer))
        try {
            if (!direct.send("chat.private", text.encodeToByteArray()).delivered()) {
                throw PeergraphException.NotConnected("$name is gone")
            }
        } finally {
            direct.close()
        }
        show(Message("me to $name", text, Clock.System.now(), isPrivate = true))
    }

    /** When the application goes to the background. Waits for no call that waits for others. */
    suspend fun pause() {
        isAway = true
        settle()
    }

    /** When it comes back. */
    suspend fun resume() {
        isAway = false
        settle()
    }

    /** The end: everything is on the disk when this returns. What is under way ends with an error. */
    suspend fun close() = doing {
        reading?.cancel()
        node?.shutdown()
        entering.withLock {
            node?.shutdown()
            node = null
            group = null
        }
    }

    private suspend fun settle() = doing {
        changing.withLock { node?.let { if (isAway) it.pause() else it.resume() } }
    }

    private suspend fun started(): Node {
        node?.let { return it }
        val started = Node.start(config)
        node = started
        // The application went to the background before there was a node.
        if (isAway) settle()
        return started
    }

    private fun entered(): Group = group ?: throw PeergraphException.Closed("there is no group yet: make one or join one")

    private suspend fun enter(open: suspend (Node) -> Group?) = doing {
        entering.withLock {
            if (group != null) throw PeergraphException.AlreadyExists("there is a group already")
            open(started())?.let { follow(it) }
        }
    }

    private suspend fun doing(call: suspend () -> Unit) {
        states.update { it.copy(calls = it.calls + 1, error = null) }
        try {
            call()
        } catch (error: PeergraphException) {
            states.update { it.copy(error = "${error.kind}: ${error.message}") }
        } finally {
            states.update { it.copy(calls = it.calls - 1) }
        }
    }

    private suspend fun follow(group: Group) {
        try {
            learn(group)
            val title = group.properties().name
            val kinds = listOf(
                EventKind.RECORD_CHANGED, EventKind.MEMBER_CHANGED, EventKind.DIRECT_CONNECTION, EventKind.INCOMING_DATA,
                EventKind.SYNC_PROGRESS,
            )
            val filter = EventFilter(kinds, recordTypes = listOf("chat.message"), dataTypes = listOf("chat.private"))
            val events = group.subscribe(filter, Start.Snapshot)
            this.group = group
            states.update { it.copy(title = title) }
            reading = scope.launch { events.use { for (event in it) take(group, event) } }
        } catch (error: Throwable) {
            withContext(NonCancellable) { group.close() }
            throw error
        }
    }

    private suspend fun learn(group: Group) {
        val members = group.members()
        for (member in members) names[member.peer] = member.name
        states.update { it.copy(present = members.filter { each -> each.nodes.isNotEmpty() }.map { each -> each.name }.sorted()) }
    }

    private fun show(progress: SyncProgress) {
        val (all, here) = progress.recordsExpected to progress.records
        states.update { it.copy(progress = if (here < all) here.toFloat() / all.toFloat() else null) }
    }

    private fun show(message: Message) = states.update { it.copy(messages = (it.messages + message).sortedBy(Message::at)) }

    private suspend fun take(group: Group, event: Event) {
        when (event) {
            is Event.RecordChanged -> if (event.change == ChangeKind.ADDED) {
                val record = event.record
                if (record.author !in names) learn(group)
                show(Message(names[record.author] ?: record.author.short, record.bodyText ?: "(no text)", record.created))
            }
            is Event.MemberChanged -> learn(group)
            is Event.IncomingData -> {
                if (event.peer !in names) learn(group)
                show(Message(names[event.peer] ?: event.peer.short, event.data.decodeToString(), Clock.System.now(), isPrivate = true))
            }
            is Event.SyncProgress -> show(event.progress)
            else -> {}
        }
    }
}

package io.github.peergraph

import java.nio.ByteBuffer
import java.util.concurrent.atomic.AtomicInteger
import kotlinx.coroutines.channels.Channel
import kotlinx.coroutines.flow.Flow
import kotlinx.coroutines.flow.flow

/** Events are taken over from the library so many at a time, and fewer if they are large. */
private const val BATCH = 512

/** Knows the signal only: if it knew the subscription, no collector could see that nobody else does. */
private class Waker(private val signal: Channel<Unit>) : WakeListener {
    override fun wake() {
        signal.trySend(Unit)
    }
}

/**
 * Events of one subscription, from the moment it was made.
 *
 * `for (event in subscription)` waits for each. A coroutine that is cancelled while it waits loses nothing: waiting takes no
 * event, and taking one does not wait. Several readers, in any threads, share the events: each event goes to exactly one of
 * them. Record changes that the readers are slow for are read back from the database. Up to 512 events, or about 1 MiB of
 * them, are in memory in addition to the capacity.
 */
public class EventSubscription internal constructor(private val native: NativeStream) : AutoCloseable {
    private val signal = Channel<Unit>(Channel.CONFLATED)
    private val lock = Any()
    private val buffer = ArrayDeque<Event>()
    private var handedOut = native.cursor()
    private val readers = AtomicInteger()

    @Volatile
    private var closed = false

    init {
        native.onWake(Waker(signal))
    }

    /** Waits until there is an event (true) or the stream has ended (false): the graph was closed, or this was. Takes nothing;
     * where there are several readers, another may be faster. */
    public suspend operator fun hasNext(): Boolean = waitFor { if (isWaiting()) true else null } ?: false

    /** Takes the event that [hasNext] waited for. Throws [NoSuchElementException] if there is none, or another reader has it. */
    public operator fun next(): Event = tryNext() ?: throw NoSuchElementException("no event is waiting")

    /** The next event if one is waiting. */
    public fun tryNext(): Event? = synchronized(lock) {
        if (!refill()) return null
        val event = buffer.removeFirst()
        when (event) {
            is Event.RecordChanged -> handedOut = event.cursor
            is Event.CaughtUp -> handedOut = event.cursor
            else -> {}
        }
        event
    }

    /** Takes up to so many waiting events, without waiting. */
    public fun drain(max: Int): List<Event> = generateSequence(::tryNext).take(max).toList()

    /** For loops. Each loop has an iterator of its own; all of them share the events. */
    public operator fun iterator(): EventIterator = EventIterator(this)

    /** Waits for the next event and takes it; null once the stream has ended. */
    public suspend fun receive(): Event? {
        val event = tryNext()
        return if (event != null) event else waitFor(::tryNext)
    }

    /** The events as a flow. It ends when the stream does; ending the flow does not end the stream. What an operator such as
     * `buffer` took over and did not hand on is lost when the flow is cancelled. */
    public fun asFlow(): Flow<Event> = flow { for (event in this@EventSubscription) emit(event) }

    /** The place up to which everything was handed out: where a later subscription goes on ([Start.After]). */
    public val cursor: ByteArray get() = synchronized(lock) { if (buffer.isEmpty()) native.cursor() else handedOut.copyOf() }

    /** Unsubscribes: what is waiting is dropped. */
    override fun close() {
        closed = true
        native.end()
        signal.trySend(Unit)
    }

    private fun isWaiting() = synchronized(lock) { refill() }

    /** What [take] makes of what waits, as soon as it makes something; null when the stream has ended. */
    private suspend fun <T : Any> waitFor(take: () -> T?): T? {
        readers.incrementAndGet()
        try {
            while (true) {
                take()?.let { return it }
                if (closed || native.isFinished()) return null
                signal.receive()
            }
        } finally {
            // A signal wakes one reader: what this one left, or was cancelled before it took, is for the next.
            if (readers.decrementAndGet() > 0) signal.trySend(Unit)
        }
    }

    private fun refill(): Boolean {
        if (closed) return false
        if (buffer.isEmpty()) {
            handedOut = native.cursor()
            val packed = ByteBuffer.wrap(native.drain(BATCH.toUInt()))
            repeat(packed.getInt()) { buffer.add(FfiConverterTypeEvent.read(packed)) }
        }
        return buffer.isNotEmpty()
    }
}

/** One loop over a subscription. */
public class EventIterator internal constructor(private val events: EventSubscription) {
    private var taken: Event? = null

    /** Waits for an event and takes it (true), or until the stream has ended (false). */
    public suspend operator fun hasNext(): Boolean {
        if (taken == null) taken = events.tryNext()
        if (taken != null) return true
        return receive()
    }

    private suspend fun receive(): Boolean {
        taken = events.receive()
        return taken != null
    }

    /** The event that [hasNext] took. */
    public operator fun next(): Event = taken?.also { taken = null } ?: throw NoSuchElementException("hasNext comes first")
}

/** All events of these kinds; without any, of all, which also accepts direct connections from others. */
public fun EventFilter(vararg kinds: EventKind): EventFilter = EventFilter(kinds = kinds.toList())

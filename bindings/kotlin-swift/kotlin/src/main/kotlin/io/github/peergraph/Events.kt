package io.github.peergraph

import java.nio.ByteBuffer
import kotlinx.coroutines.channels.Channel
import kotlinx.coroutines.flow.Flow
import kotlinx.coroutines.flow.flow

/** Events are taken over from the library so many at a time. */
private const val BATCH = 512

/** Knows the signal only: if it knew the subscription, no collector could see that nobody else does. */
private class Waker(private val signal: Channel<Unit>) : WakeListener {
    override fun wake() {
        signal.trySend(Unit)
    }
}

/**
 * Events of one subscription, from the moment it was made; for one reader at a time.
 *
 * `for (event in subscription)` waits for each. A coroutine that is cancelled loses nothing: waiting takes no event, and taking
 * one does not wait. Record changes that the reader is slow for are read back from the database. Up to 512 events more than
 * the capacity are in memory.
 */
public class EventSubscription internal constructor(private val native: NativeStream) : AutoCloseable {
    private val signal = Channel<Unit>(Channel.CONFLATED)
    private val waiting = ArrayDeque<Event>()
    private var handedOut = native.cursor()

    @Volatile
    private var closed = false

    init {
        native.onWake(Waker(signal))
    }

    /** Waits until there is an event (true) or the stream has ended (false): the graph was closed, or this was. */
    public suspend operator fun hasNext(): Boolean {
        while (!refill()) {
            if (closed || native.isFinished()) return false
            signal.receive()
        }
        return true
    }

    /** Takes the event that [hasNext] waited for. */
    public operator fun next(): Event = tryNext() ?: throw NoSuchElementException("no event is waiting")

    /** The next event if one is waiting. */
    public fun tryNext(): Event? {
        if (!refill()) return null
        val event = waiting.removeFirst()
        when (event) {
            is Event.RecordChanged -> handedOut = event.cursor
            is Event.CaughtUp -> handedOut = event.cursor
            else -> {}
        }
        return event
    }

    /** Takes up to so many waiting events, without waiting. */
    public fun drain(max: Int): List<Event> = generateSequence(::tryNext).take(max).toList()

    /** For loops: the subscription is its own iterator, so loops share the events. */
    public operator fun iterator(): EventSubscription = this

    /** Waits for the next event; null once the stream has ended. */
    public suspend fun receive(): Event? = if (hasNext()) next() else null

    /** The events as a flow. It ends when the stream does; ending the flow does not end the stream. */
    public fun asFlow(): Flow<Event> = flow { while (hasNext()) emit(next()) }

    /** The place up to which everything was handed out: where a later subscription goes on ([Start.After]). */
    public val cursor: ByteArray get() = if (waiting.isEmpty()) native.cursor() else handedOut

    /** Unsubscribes: what is waiting is dropped. */
    override fun close() {
        closed = true
        native.end()
        signal.trySend(Unit)
    }

    private fun refill(): Boolean {
        if (closed) return false
        if (waiting.isEmpty()) {
            handedOut = native.cursor()
            val packed = ByteBuffer.wrap(native.drain(BATCH.toUInt()))
            repeat(packed.getInt()) { waiting.add(FfiConverterTypeEvent.read(packed)) }
        }
        return waiting.isNotEmpty()
    }
}

/** All events of these kinds; without any, of all, which also accepts direct connections from others. */
public fun EventFilter(vararg kinds: EventKind): EventFilter = EventFilter(kinds = kinds.toList())

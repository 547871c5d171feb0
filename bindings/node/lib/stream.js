'use strict'
// Streams of events: one by one for the reader, many at a time underneath.
const { bridge, readers, number, asyncDispose, FAR } = require('./bridge.js')
const { count, refused, waiting } = require('./check.js')
const { countOf, readerOf, eventAt, cursorBefore } = require('./events.js')

/** Events taken over at a time. */
const BATCH = 512
/** Bytes of events in one answer of `batch`, about. */
const BATCH_BYTES = 4 * 1024 * 1024
/** Events handed out in a row, by all streams, before timers and sockets have their turn. */
const TURN = 8192
let handedOut = 0

// Of streams that nobody refers to any more: their numbers and signals are forgotten. Their subscriptions end by themselves.
const forgotten = new FinalizationRegistry(({ id, signal, abort }) => {
  readers.delete(id)
  signal?.removeEventListener('abort', abort)
})

class EventStream {
  #native
  #id = number()
  #batch = null
  #reader = null
  #count = 0
  #index = 0
  #size
  #waiters = []
  #timer = null
  #refed = true
  #armed = false
  #closed = false
  #last = null
  #failure = null
  #cleanup = null
  #listener = null

  constructor(native, { signal, size = BATCH } = {}) {
    this.#native = native
    this.#size = size
    readers.set(this.#id, new WeakRef(this))
    const held = { id: this.#id, signal, abort: undefined }
    if (signal) {
      held.abort = EventStream.#aborts(new WeakRef(this), signal)
      signal.addEventListener('abort', held.abort, { once: true })
    }
    this.#cleanup = held
    forgotten.register(this, held, this)
    if (signal?.aborted) this.#fail(signal.reason)
  }

  // Made where `this` is not in sight: whatever outlives the stream must not hold it.
  static #aborts(reference, signal) {
    return () => reference.deref()?.#fail(signal.reason)
  }

  // Whoever waits is held by nothing but the stream, and the stream, while somebody waits, by this timer.
  static #hold(stream) {
    return setInterval(() => stream, FAR)
  }

  #refill() {
    const batch = this.#native.drain(this.#size)
    if (batch === null) return false
    this.#batch = batch
    this.#reader = readerOf(batch)
    this.#count = countOf(batch)
    this.#index = 0
    return true
  }

  /** The next event if one is waiting; null if not. */
  tryNext() {
    if (this.#index === this.#count && (this.#closed || !this.#refill())) return null
    return eventAt(this.#reader, this.#index++)
  }

  /** All that is waiting, until there is nothing. */
  *drain() {
    for (let event = this.tryNext(); event !== null; event = this.tryNext()) yield event
  }

  next(options) {
    const signal = waiting(options)?.signal
    if (this.#waiters.length === 0 && !signal?.aborted && handedOut++ < TURN) {
      const event = this.tryNext()
      if (event !== null) return Promise.resolve({ value: event, done: false })
      if (this.#ended) return this.#end()
    }
    return this.#wait(signal)
  }

  /** Waits for events and takes up to `limit` of them; none once the stream has ended. */
  async batch(limit = BATCH, options = undefined) {
    if (count(limit, 'limit') === 0) throw refused('limit is 0: a batch has one event at least')
    const first = await this.next(options)
    if (first.done) return []
    const taken = [first.value]
    let [batch, bytes] = [this.#batch, this.#batch?.length ?? 0]
    while (taken.length < limit) {
      // The next batch is not taken over once this has enough.
      if (this.#index === this.#count && bytes >= BATCH_BYTES) break
      const event = this.tryNext()
      if (event === null) break
      taken.push(event)
      if (this.#batch !== batch) [batch, bytes] = [this.#batch, bytes + this.#batch.length]
    }
    return taken
  }

  get #ended() {
    return this.#closed || this.#native.finished
  }

  #end() {
    const failure = this.#failure
    this.#failure = null
    if (failure !== null) return Promise.reject(failure.reason)
    return Promise.resolve({ value: undefined, done: true })
  }

  #wait(signal) {
    if (signal?.aborted) return Promise.reject(signal.reason)
    if (handedOut >= TURN) {
      handedOut = 0
      setImmediate(() => this.readable())
    }
    return new Promise((resolve, reject) => {
      const waiter = { resolve, reject, signal, abort: undefined }
      if (signal) {
        waiter.abort = () => {
          const at = this.#waiters.indexOf(waiter)
          if (at >= 0) this.#waiters.splice(at, 1)
          if (this.#waiters.length === 0) this.#release()
          reject(signal.reason)
        }
        signal.addEventListener('abort', waiter.abort, { once: true })
      }
      this.#waiters.push(waiter)
      this.#keep()
      // Armed first, drained second, waited third: nothing comes between. What is there already is told at once.
      this.#arm()
    })
  }

  #arm() {
    if (this.#armed || this.#closed) return
    this.#armed = true
    this.#native.arm(bridge, this.#id)
  }

  #keep() {
    if (this.#timer !== null) return
    this.#timer = EventStream.#hold(this)
    if (!this.#refed) this.#timer.unref()
  }

  #release() {
    clearInterval(this.#timer)
    this.#timer = null
  }

  /** There may be something to drain, or the end. Called by the bridge. @internal */
  readable() {
    if (this.#listener !== null) return this.#listener()
    while (this.#waiters.length > 0) {
      const event = this.tryNext()
      if (event === null && !this.#ended) return
      const waiter = this.#waiters.shift()
      waiter.signal?.removeEventListener('abort', waiter.abort)
      waiter.resolve(event === null ? this.#end() : { value: event, done: false })
    }
    this.#release()
  }

  /** Has a function called whenever there may be something to take, and holds this stream until it is closed. @internal */
  listen(listener) {
    this.#listener = listener
    readers.set(this.#id, { deref: () => this })
    this.#keep()
    this.#arm()
  }

  /** True when the stream has ended and nothing is left to take. */
  get finished() {
    return this.#index === this.#count && this.#ended
  }

  get cursor() {
    if (this.#last !== null) return this.#last
    // Not what was taken over, but what was handed out.
    return this.#index === this.#count ? this.#native.cursor() : cursorBefore(this.#batch, this.#index)
  }

  ref() {
    this.#refed = true
    this.#timer?.ref()
    return this
  }

  unref() {
    this.#refed = false
    this.#timer?.unref()
    return this
  }

  close() {
    if (this.#closed) return
    this.#last = this.cursor
    this.#closed = true
    this.#index = this.#count = 0
    this.#batch = this.#reader = null
    this.#native.close()
    const { id, signal, abort } = this.#cleanup
    readers.delete(id)
    signal?.removeEventListener('abort', abort)
    forgotten.unregister(this)
    this.#listener = null
    this.readable()
  }

  #fail(reason) {
    if (this.#closed) return
    this.#failure = { reason }
    this.close()
  }

  return(value) {
    this.#failure = null
    this.close()
    return Promise.resolve({ value, done: true })
  }

  throw(error) {
    this.close()
    return Promise.reject(error)
  }

  /** The same as a Web stream, for pipes. Reading it takes; cancelling it closes. */
  readableStream() {
    return new ReadableStream(
      {
        pull: async (controller) => {
          const { value, done } = await this.next()
          if (done) controller.close()
          else controller.enqueue(value)
        },
        cancel: () => this.close(),
      },
      { highWaterMark: 0 },
    )
  }

  [Symbol.asyncIterator]() {
    return this
  }

  async [asyncDispose]() {
    this.close()
  }
}

module.exports = { EventStream, TURN }

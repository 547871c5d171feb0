'use strict'
// The way between promises and the native half: calls by number, and one wake-up for all that is new. See `src/bridge.rs`.
const native = require('./native.js')
const { errorOf, toldBy } = require('./errors.js')
const { unpack } = require('./pack.js')

/** Calls under way, by number. */
const calls = new Map()
/** Who is to be told that a stream can be drained, by number: weak references, or what is kept until it is closed. */
const readers = new Map()
/** What has to be done before the next call: subscriptions of listeners that were just added. */
const pending = new Set()

let last = 0
function number() {
  do {
    last = (last + 1) >>> 0
  } while (last === 0 || calls.has(last) || readers.has(last))
  return last
}

/** An error of the application's own function: nobody waits for it, so it is the process's, and disturbs nothing else. */
function surface(error) {
  process.nextTick(() => {
    throw error
  })
}

/** Emits an event of the library's own making, where a listener that throws must not undo what was done. */
function tell(emitter, ...event) {
  try {
    emitter.emit(...event)
  } catch (error) {
    surface(error)
  }
}

const bridge = new native.Bridge(() => {
  for (const news of bridge.take()) {
    try {
      hand(news)
    } catch (error) {
      // A listener's. Whatever else is in this wake-up is for others, who would wait for ever.
      surface(error)
    }
  }
})

function hand(news) {
  const call = calls.get(news.id)
  if (call === undefined) readers.get(news.id)?.deref()?.readable()
  else if (news.progress) call.progress(unpack(news.packed))
  else {
    finish(news.id, call)
    if (news.error != null) call.reject(errorOf(news.error))
    else call.resolve(valueOf(news))
  }
}

function valueOf({ packed, node, graph, direct, receipt, identity }) {
  return packed != null ? unpack(packed) : (node ?? graph ?? direct ?? receipt ?? identity)
}

// The wake-up keeps no process alive, so a far-away timer does, while a call is under way or about to be.
const FAR = 2 ** 30
const alive = setInterval(() => {}, FAR).unref()
/** How many wait for what a call needs first. */
let waits = 0

function finish(id, call) {
  calls.delete(id)
  letGo()
  call.signal?.removeEventListener('abort', call.abort)
}

function letGo() {
  if (calls.size === 0 && waits === 0) alive.unref()
}

/**
 * What the application itself gives in its own time, before there is a call: waited for until the signal is aborted, which
 * rejects with its reason. The process lives meanwhile.
 */
async function until(given, signal) {
  // Heard here in any case: once the signal was aborted, nobody else does.
  const settled = Promise.resolve(given).then(
    (value) => ({ value }),
    (error) => ({ error, failed: true }),
  )
  signal?.throwIfAborted()
  let abort
  const aborted = new Promise((resolve) => {
    abort = () => resolve({ error: signal.reason, failed: true })
    signal?.addEventListener('abort', abort, { once: true })
  })
  waits++
  alive.ref()
  const { value, error, failed } = await Promise.race([settled, aborted])
  waits--
  letGo()
  signal?.removeEventListener('abort', abort)
  if (failed) throw error
  return value
}

function flush() {
  for (const settle of pending) {
    pending.delete(settle)
    settle()
  }
}

/**
 * Calls the native half, which answers later. `start` gets the bridge and the number of the call, and is called before this
 * returns: that is where the call has its place in the order. When the signal is aborted, the waiting ends here and there,
 * and the promise is rejected with the signal's reason.
 */
function call(start, { signal, progress } = {}) {
  return new Promise((resolve, reject) => {
    signal?.throwIfAborted()
    if (pending.size > 0) flush()
    const id = number()
    const entry = { resolve, reject, progress, signal, abort: undefined }
    try {
      start(bridge, id)
    } catch (thrown) {
      throw toldBy(thrown)
    }
    calls.set(id, entry)
    if (calls.size === 1) alive.ref()
    if (signal) {
      entry.abort = () => {
        bridge.cancel(id)
        finish(id, entry)
        reject(signal.reason)
      }
      signal.addEventListener('abort', entry.abort, { once: true })
    }
  })
}

/** For `Symbol.asyncDispose` where it is not there yet. */
const asyncDispose = Symbol.asyncDispose ?? Symbol.for('Symbol.asyncDispose')

module.exports = { native, bridge, readers, pending, number, call, until, tell, asyncDispose, FAR }

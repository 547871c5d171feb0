'use strict'
// Graphs as event emitters: what listeners there are decides what is subscribed to.
const { EventEmitter } = require('node:events')
const { pending, tell } = require('./bridge.js')
const { unknown } = require('./check.js')
const { EventStream, TURN } = require('./stream.js')

/** What a graph can be asked to tell. */
const KINDS = [
  'status_changed', 'property_changed', 'record_changed', 'direct_connection', 'neighbor_connection', 'incoming_data',
  'connection_required', 'node_changed', 'synchronized', 'member_changed', 'connection_failed', 'sync_progress',
]
const SUBSCRIBED = new Set(KINDS)

/** An emitter of known names: a listener of any other would never be called. */
class Known extends EventEmitter {
  #names

  constructor(names) {
    super({ captureRejections: true })
    this.#names = ['close', 'error', 'newListener', 'removeListener', ...names]
  }

  /** After a name was listened to, or no longer. @internal */
  watch() {}

  #check(name) {
    if (typeof name === 'string' && !this.#names.includes(name)) throw unknown('there is no event', name, this.#names)
  }

  on(name, listener) {
    this.#check(name)
    super.on(name, listener)
    this.watch(name)
    return this
  }

  addListener(name, listener) {
    return this.on(name, listener)
  }

  prependListener(name, listener) {
    this.#check(name)
    super.prependListener(name, listener)
    this.watch(name)
    return this
  }

  off(name, listener) {
    super.off(name, listener)
    this.watch(name)
    return this
  }

  removeListener(name, listener) {
    return this.off(name, listener)
  }
}

/** One subscription for the kinds that were listened to first at the same time. */
class Pump {
  #graph
  #stream
  #waiting = false

  constructor(graph, kinds, stream) {
    this.#graph = graph
    this.#stream = stream
    this.kinds = kinds
    stream.listen(() => this.#run())
  }

  get stream() {
    return this.#stream
  }

  #run() {
    if (this.#waiting) return
    let going = true
    try {
      for (let turn = TURN; turn > 0; turn--) {
        const event = this.#stream.tryNext()
        if (event === null) {
          going = false
          break
        }
        this.#graph.emit(event.type, event)
      }
    } finally {
      // Others have their turn, or a listener threw: what is left comes right after.
      if (going) {
        this.#waiting = true
        setImmediate(() => {
          this.#waiting = false
          this.#run()
        })
      }
    }
    if (!going && this.#stream.finished) this.#graph.ended(this)
  }
}

class Emitter extends Known {
  #subscribe
  #pumps = new Set()
  #refed = true
  #over = false
  #settle

  constructor(subscribe) {
    super([...KINDS, 'lagged'])
    this.#subscribe = subscribe
    this.#settle = () => this.#update()
  }

  watch(name) {
    if (!SUBSCRIBED.has(name) || pending.has(this.#settle) || this.#over) return
    pending.add(this.#settle)
    // Listeners that are added together have one subscription, so their events come in order.
    queueMicrotask(() => {
      if (pending.delete(this.#settle)) this.#settle()
    })
  }

  #update() {
    for (const pump of this.#pumps) {
      if (![...pump.kinds].some((kind) => this.listenerCount(kind) > 0)) {
        this.#pumps.delete(pump)
        pump.stream.close()
      }
    }
    const covered = new Set([...this.#pumps].flatMap((pump) => [...pump.kinds]))
    const wanted = this.eventNames().filter((name) => SUBSCRIBED.has(name) && !covered.has(name))
    if (wanted.length === 0 || this.#over) return
    let stream
    try {
      stream = new EventStream(this.#subscribe(wanted))
    } catch (error) {
      process.nextTick(() => tell(this, 'error', error))
      return
    }
    if (!this.#refed) stream.unref()
    this.#pumps.add(new Pump(this, new Set(wanted), stream))
  }

  /** A subscription came to its end: the graph was closed, unless it was given up here before. @internal */
  ended(pump) {
    if (!this.#pumps.delete(pump)) return
    pump.stream.close()
    if (this.#pumps.size === 0) this.over()
  }

  /** @internal */
  over() {
    if (this.#over) return
    this.#over = true
    for (const pump of this.#pumps) pump.stream.close()
    this.#pumps.clear()
    tell(this, 'close')
  }

  /** Lets waiting listeners keep the process alive: the default. */
  ref() {
    this.#refed = true
    for (const pump of this.#pumps) pump.stream.ref()
    return this
  }

  unref() {
    this.#refed = false
    for (const pump of this.#pumps) pump.stream.unref()
    return this
  }

  removeAllListeners(...name) {
    super.removeAllListeners(...name)
    for (const kind of KINDS) this.watch(kind)
    return this
  }
}

module.exports = { Emitter, Known, KINDS }

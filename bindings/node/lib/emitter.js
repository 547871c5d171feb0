'use strict'
// Graphs as event emitters: what listeners there are decides what is subscribed to.
const { EventEmitter } = require('node:events')
const { pending } = require('./bridge.js')
const { EventStream, TURN } = require('./stream.js')

const KINDS = new Set([
  'status_changed', 'property_changed', 'record_changed', 'direct_connection', 'neighbor_connection', 'incoming_data',
  'connection_required', 'node_changed', 'synchronized', 'member_changed', 'connection_failed',
])

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

class Emitter extends EventEmitter {
  #subscribe
  #pumps = new Set()
  #refed = true
  #over = false
  #settle

  constructor(subscribe) {
    super({ captureRejections: true })
    this.#subscribe = subscribe
    this.#settle = () => this.#update()
  }

  #watch(name) {
    if (!KINDS.has(name) || pending.has(this.#settle) || this.#over) return
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
    const wanted = this.eventNames().filter((name) => KINDS.has(name) && !covered.has(name))
    if (wanted.length === 0 || this.#over) return
    let stream
    try {
      stream = new EventStream(this.#subscribe(wanted))
    } catch (error) {
      process.nextTick(() => this.emit('error', error))
      return
    }
    if (!this.#refed) stream.unref()
    this.#pumps.add(new Pump(this, new Set(wanted), stream))
  }

  /** A subscription came to its end: the graph was closed. @internal */
  ended(pump) {
    pump.stream.close()
    this.#pumps.delete(pump)
    if (this.#pumps.size === 0) this.over()
  }

  /** @internal */
  over() {
    if (this.#over) return
    this.#over = true
    for (const pump of this.#pumps) pump.stream.close()
    this.#pumps.clear()
    this.emit('close')
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

  on(name, listener) {
    super.on(name, listener)
    this.#watch(name)
    return this
  }

  addListener(name, listener) {
    return this.on(name, listener)
  }

  prependListener(name, listener) {
    super.prependListener(name, listener)
    this.#watch(name)
    return this
  }

  off(name, listener) {
    super.off(name, listener)
    this.#watch(name)
    return this
  }

  removeListener(name, listener) {
    return this.off(name, listener)
  }

  removeAllListeners(...name) {
    super.removeAllListeners(...name)
    for (const kind of KINDS) this.#watch(kind)
    return this
  }
}

module.exports = { Emitter, KINDS }

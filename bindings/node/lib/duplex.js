'use strict'
// Data of one type on one connection as a Node stream.
//
// On the wire: each chunk is one piece of data of the type T, an empty one is the end of this direction, and one of the
// type `T.abort` says that there will be no end: the stream was destroyed before.
const { setMaxListeners } = require('node:events')
const { Duplex } = require('node:stream')
const { setTimeout: sleep } = require('node:timers/promises')
const { count, flag, options, signal, text } = require('./check.js')
const { DATA_LIMIT } = require('./connection.js')
const { NotConnectedError } = require('./errors.js').classes
const { EventStream } = require('./stream.js')

const STREAM = {
  highWaterMark: count, readableHighWaterMark: count, writableHighWaterMark: count, allowHalfOpen: flag, encoding: text,
  defaultEncoding: text, emitClose: flag, autoDestroy: flag, signal,
}

/** Events taken over at a time where each may be 16 MiB. */
const FEW = 4
/** Milliseconds between tries to hand over the first piece, while the other end has no stream yet. */
const FIRST_WAIT = 10
const LONGEST_WAIT = 1000
const LONGEST_NAME = 64

const ABORT = '.abort'

/** As Node's own streams say it. */
const broken = (why) => Object.assign(new Error(why), { code: 'ERR_STREAM_PREMATURE_CLOSE' })

class DataDuplex extends Duplex {
  #connection
  #dataType
  #events
  #isThere
  #wanted = false
  #reading = false
  #stop = new AbortController()
  /** The other end has a stream, as far as is known. */
  #met = false
  #wrote = false
  /** Why the connection is gone, once it is. */
  #gone = null
  /** Pieces of which it is not known yet whether the other end took them. */
  #unsure = new Set()
  /** Events that were taken over and not read yet. */
  #ahead = []

  constructor(connection, dataType, { subscribe, isThere }, given) {
    super({ ...options(given, STREAM), objectMode: false, decodeStrings: true })
    // Each piece that is not known to be taken yet waits with it.
    setMaxListeners(0, this.#stop.signal)
    this.#connection = connection
    this.#dataType = dataType
    this.#isThere = isThere
    const dataTypes = this.#abortType === null ? [dataType] : [dataType, this.#abortType]
    this.#events = new EventStream(subscribe({ kinds: ['incoming_data', 'direct_connection'], dataTypes }), { size: FEW })
  }

  get #abortType() {
    const name = this.#dataType + ABORT
    return name.length > LONGEST_NAME ? null : name
  }

  // A connection that went down before the subscription tells nothing in it.
  _construct(callback) {
    this.#look().then(() => callback(), callback)
  }

  async #look() {
    try {
      await this.#isThere(this.#connection.id)
    } catch (error) {
      if (!(error instanceof NotConnectedError)) throw error
      this.#gone ??= 'lost'
    }
  }

  // Writing

  _write(chunk, encoding, callback) {
    if (chunk.length === 0) return callback()
    this.#send(chunk).then(() => callback(), callback)
  }

  async #send(chunk) {
    this.#wrote = true
    for (let at = 0; at < chunk.length; at += DATA_LIMIT) {
      const [taken] = await this.#hand(chunk.subarray(at, at + DATA_LIMIT))
      const sure = taken.then((is) => {
        if (!is) throw broken('the other end has closed its stream')
      })
      this.#unsure.add(sure)
      sure.then(
        () => this.#unsure.delete(sure),
        // Who is finishing looks at it there.
        (error) => this.writableEnded || this.destroy(error),
      )
    }
  }

  /** Sends a piece; gives, in a list, a promise of whether it was taken. The first is sent until somebody takes it. */
  async #hand(data) {
    const { signal } = this.#stop
    for (let wait = FIRST_WAIT; ; wait = Math.min(2 * wait, LONGEST_WAIT)) {
      const receipt = await this.#connection.send(this.#dataType, data, { signal })
      if (this.#met) return [receipt.delivered({ signal })]
      if (await receipt.delivered({ signal })) {
        this.#met = true
        return [Promise.resolve(true)]
      }
      await sleep(wait, undefined, { signal })
    }
  }

  _final(callback) {
    this.#finish().then(() => callback(), callback)
  }

  async #finish() {
    let ended
    try {
      ;[ended] = await this.#hand(Buffer.alloc(0))
    } catch (error) {
      if (!this.#wrote && error instanceof NotConnectedError) return
      throw error
    }
    try {
      // That nobody there waits for the end any more is no loss; data is.
      await Promise.all([ended, ...this.#unsure])
    } catch (error) {
      // Who closes the connection once all has come may be faster than the word that it came.
      if (!(error instanceof NotConnectedError) || !this.#wasClosed()) throw error
    }
  }

  #wasClosed() {
    for (const event of this.#events.drain()) if (!this.#noted(event)) this.#ahead.push(event)
    return this.#gone === 'closed' || this.#gone === 'closed_by_peer'
  }

  /** Looks whether an event is the end of the connection. */
  #noted(event) {
    if (event.type !== 'direct_connection' || event.connection !== this.#connection.id) return false
    if (event.change === 'disconnected') this.#gone = event.reason ?? 'lost'
    return true
  }

  // Reading

  _read() {
    this.#wanted = true
    if (this.#reading) return
    this.#reading = true
    this.#serve().catch((error) => this.destroy(error))
  }

  // Node may ask while it is being served, and asks once only.
  async #serve() {
    while (this.#wanted) await this.#pull()
    this.#reading = false
  }

  async #pull() {
    const { id } = this.#connection
    for (;;) {
      const event = this.#ahead.shift() ?? this.#events.tryNext() ?? (this.#gone === null ? (await this.#events.next()).value : undefined)
      if (event === undefined || (this.#noted(event) && this.#gone !== null)) {
        throw broken(`the connection ended before the stream did (${this.#gone ?? 'closed'})`)
      }
      if (event.type === 'lagged') await this.#look()
      else if (event.type !== 'incoming_data' || event.connection !== id) continue
      else if (event.dataType === this.#abortType) throw broken('the other end destroyed its stream before the end of it')
      else if (event.dataType === this.#dataType) {
        this.#met = true
        this.#wanted = false
        if (event.data.length === 0) return this.push(null)
        if (!this.push(event.data)) return undefined
      }
    }
  }

  _destroy(error, callback) {
    const unfinished = !this.writableFinished && (this.#wrote || error !== null)
    // Without a word the other end would wait for ever. It may be gone.
    if (unfinished && this.#abortType !== null) this.#connection.send(this.#abortType, '').catch(() => {})
    this.#events.close()
    this.#stop.abort(error ?? undefined)
    callback(error)
  }
}

module.exports = { DataDuplex }

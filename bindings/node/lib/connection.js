'use strict'
// Direct connections, what became of sent data, and connections as Node streams.
const { Duplex } = require('node:stream')
const { inspect } = require('node:util')
const { asyncDispose, call } = require('./bridge.js')
const { ClosedError, NotConnectedError } = require('./errors.js').classes
const { EventStream } = require('./stream.js')
const { bytes } = require('./texts.js')
const { unpack } = require('./pack.js')

class SendReceipt {
  #native

  constructor(native) {
    this.#native = native
  }

  delivered(options) {
    return call((bridge, id) => this.#native.delivered(bridge, id), options)
  }
}

/** Events taken over at a time where each may be 16 MiB. */
const FEW = 4

class DirectConnection {
  #native
  #subscribe
  #info

  constructor(native, subscribe) {
    this.#native = native
    this.#subscribe = subscribe
  }

  get info() {
    return (this.#info ??= unpack(this.#native.info))
  }

  get id() {
    return this.info.connection
  }

  async send(dataType, data, options) {
    const content = bytes(data)
    return new SendReceipt(await call((bridge, id) => this.#native.send(bridge, id, dataType, content), options))
  }

  duplex(dataType, options) {
    return new DataDuplex(this, dataType, this.#subscribe, options)
  }

  async close() {
    await call((bridge, id) => this.#native.close(bridge, id))
  }

  async [asyncDispose]() {
    try {
      await this.close()
    } catch (error) {
      // The other end may have been faster.
      if (!(error instanceof NotConnectedError || error instanceof ClosedError)) throw error
    }
  }

  [inspect.custom]() {
    return `DirectConnection ${this.id} to ${this.info.node.slice(0, 10)}`
  }
}

/**
 * Data of one type on one connection as a stream of bytes. Each chunk is one piece of data; an empty one is the end, so that
 * either direction can end by itself.
 */
class DataDuplex extends Duplex {
  #connection
  #dataType
  #events
  #reading = false
  #stop = new AbortController()

  constructor(connection, dataType, subscribe, options = {}) {
    super({ ...options, objectMode: false, decodeStrings: true })
    this.#connection = connection
    this.#dataType = dataType
    const wanted = { kinds: ['incoming_data', 'direct_connection'], dataTypes: [dataType] }
    this.#events = new EventStream(subscribe(wanted), { size: FEW })
  }

  _write(chunk, encoding, callback) {
    if (chunk.length === 0) return callback()
    this.#send(chunk).then(() => callback(), callback)
  }

  _final(callback) {
    this.#send(Buffer.alloc(0)).then(() => callback(), callback)
  }

  async #send(chunk) {
    await this.#connection.send(this.#dataType, chunk, { signal: this.#stop.signal })
  }

  _read() {
    if (this.#reading) return
    this.#reading = true
    this.#pull().then(
      () => {
        this.#reading = false
      },
      (error) => this.destroy(error),
    )
  }

  async #pull() {
    const { id } = this.#connection
    for (;;) {
      const { value: event, done } = await this.#events.next()
      if (done) return this.push(null)
      if (event.connection !== id) continue
      if (event.type === 'direct_connection') {
        if (event.change === 'disconnected') return this.push(null)
      } else if (event.dataType === this.#dataType) {
        const { data } = event
        if (data.length === 0) return this.push(null)
        if (!this.push(data)) return undefined
      }
    }
  }

  _destroy(error, callback) {
    this.#events.close()
    this.#stop.abort(error ?? undefined)
    callback(error)
  }
}

module.exports = { DirectConnection, SendReceipt, DataDuplex }

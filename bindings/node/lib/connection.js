'use strict'
// Direct connections, what became of sent data.
const { inspect } = require('node:util')
const { asyncDispose, call, native } = require('./bridge.js')
const { bytes, text, waiting } = require('./check.js')
const { ClosedError, NotConnectedError } = require('./errors.js').classes
const { unpack } = require('./pack.js')

/** Most bytes of one piece of data. */
const DATA_LIMIT = native.dataLimit()

class SendReceipt {
  #native

  constructor(native) {
    this.#native = native
  }

  async delivered(options) {
    return call((bridge, id) => this.#native.delivered(bridge, id), waiting(options))
  }
}

class DirectConnection {
  #native
  #reach
  #info

  constructor(native, reach) {
    this.#native = native
    this.#reach = reach
  }

  get info() {
    return (this.#info ??= unpack(this.#native.info))
  }

  get id() {
    return this.info.connection
  }

  async send(dataType, data, options) {
    const [type, content] = [text(dataType, 'dataType'), bytes(data, 'data', DATA_LIMIT)]
    return new SendReceipt(await call((bridge, id) => this.#native.send(bridge, id, type, content), waiting(options)))
  }

  duplex(dataType, options) {
    const { DataDuplex } = require('./duplex.js')
    return new DataDuplex(this, text(dataType, 'dataType'), this.#reach, options)
  }

  async close(options) {
    await call((bridge, id) => this.#native.close(bridge, id), waiting(options))
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

module.exports = { DATA_LIMIT, DirectConnection, SendReceipt }

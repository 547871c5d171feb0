'use strict'
// Events of a batch, which crosses as one buffer. `src/events.rs` writes the layout.
const { inspect } = require('node:util')
const { unpack } = require('./pack.js')
const { Record } = require('./record.js')

const CHANGES = ['added', 'updated', 'deleted', 'expired']
const ORIGINS = ['local', 'flood', 'sync', 'feed']
const KINDS = ['neighbor', 'direct']

const CURSOR = 24
const HEAD = 4 + CURSOR

class Shown {
  toJSON() {
    return { ...this.plain() }
  }

  [inspect.custom](depth, options) {
    return `${this.constructor.name} ${inspect(this.plain(), { ...options, depth: options.depth == null ? null : depth })}`
  }
}

class RecordChanged extends Shown {
  #batch
  #at
  #record

  constructor(batch, at) {
    super()
    this.#batch = batch
    this.#at = at
  }

  get change() {
    return CHANGES[this.#batch[this.#at + 1]]
  }

  get origin() {
    return ORIGINS[this.#batch[this.#at + 2]]
  }

  get cursor() {
    return this.#batch.subarray(this.#at + 4, this.#at + 4 + CURSOR)
  }

  get record() {
    return (this.#record ??= new Record(this.#batch, this.#at + 4 + CURSOR))
  }

  get conflict() {
    return this.#batch[this.#at + 3] === 0 ? null : new Record(this.#batch, this.record[Record.end])
  }

  plain() {
    const { type, change, origin, record, conflict } = this
    return { type, change, origin, record, conflict }
  }
}
Object.defineProperty(RecordChanged.prototype, 'type', { value: 'record_changed', enumerable: true })

class IncomingData extends Shown {
  #batch
  #at

  constructor(batch, at) {
    super()
    this.#batch = batch
    this.#at = at
  }

  get kind() {
    return KINDS[this.#batch[this.#at + 1]]
  }

  get connection() {
    return this.#batch.readDoubleLE(this.#at + 4)
  }

  get node() {
    return this.#batch.toString('hex', this.#at + 12, this.#at + 44)
  }

  get peer() {
    return this.#batch.toString('hex', this.#at + 44, this.#at + 76)
  }

  get #dataAt() {
    return this.#at + 80 + this.#batch[this.#at + 2]
  }

  get dataType() {
    return this.#batch.toString('latin1', this.#at + 80, this.#dataAt)
  }

  get data() {
    return this.#batch.subarray(this.#dataAt, this.#dataAt + this.#batch.readUInt32LE(this.#at + 76))
  }

  plain() {
    const { type, connection, kind, node, peer, dataType, data } = this
    return { type, connection, kind, node, peer, dataType, data }
  }
}
Object.defineProperty(IncomingData.prototype, 'type', { value: 'incoming_data', enumerable: true })

/** How many events a batch has. */
const countOf = (batch) => batch.readUInt32LE(0)

/** The event of a batch at an index. */
function eventAt(batch, index) {
  const at = batch.readUInt32LE(HEAD + 4 * index)
  switch (batch[at]) {
    case 0:
      return new RecordChanged(batch, at)
    case 1:
      return new IncomingData(batch, at)
    default:
      return unpack(batch, at + 1)
  }
}

/** The cursor behind the events of a batch before an index: where to go on if those were read. */
function cursorBefore(batch, index) {
  while (--index >= 0) {
    const at = batch.readUInt32LE(HEAD + 4 * index)
    if (batch[at] === 0) return batch.subarray(at + 4, at + 4 + CURSOR)
    if (batch[at] === 2) {
      const { cursor } = unpack(batch, at + 1)
      if (cursor) return cursor
    }
  }
  return batch.subarray(4, HEAD)
}

module.exports = { RecordChanged, IncomingData, countOf, eventAt, cursorBefore }

'use strict'
// Events of a batch, which crosses as one buffer. `src/events.rs` writes the layout.
const { inspect } = require('node:util')
const { own } = require('./own.js')
const { Reader } = require('./pack.js')
const { Record } = require('./record.js')

const CHANGES = ['added', 'updated', 'deleted', 'expired']
const ORIGINS = ['local', 'flood', 'sync', 'feed']
const KINDS = ['neighbor', 'direct']

const CURSOR = 24
/** Before the places of the events: how many there are, the cursor before them, where the ids of records are as text. */
const HEAD = 4 + CURSOR + 4

/** Events with fields of their own, as plain data. */
class Shown {
  [inspect.custom](depth, options) {
    return `${this.constructor.name} ${inspect({ ...this }, { ...options, depth: options.depth == null ? null : depth })}`
  }
}

class RecordChanged extends Shown {
  /** @internal */
  constructor(reader) {
    super()
    const { buffer, at } = reader
    this.type = 'record_changed'
    this.change = CHANGES[buffer[at + 1]]
    this.origin = ORIGINS[buffer[at + 2]]
    reader.at = at + 4 + CURSOR
    this.record = new Record(reader)
    this.conflict = buffer[at + 3] === 0 ? null : new Record(reader)
    this.cursor = own(buffer, at + 4, at + 4 + CURSOR)
  }

  toJSON() {
    return { ...this, cursor: this.cursor.toString('base64') }
  }
}

class IncomingData extends Shown {
  /** @internal */
  constructor({ buffer, at }) {
    super()
    const dataAt = at + 80 + buffer[at + 2]
    this.type = 'incoming_data'
    this.connection = buffer.readDoubleLE(at + 4)
    this.kind = KINDS[buffer[at + 1]]
    this.node = buffer.hexSlice(at + 12, at + 44)
    this.peer = buffer.hexSlice(at + 44, at + 76)
    this.dataType = buffer.latin1Slice(at + 80, dataAt)
    this.data = own(buffer, dataAt, dataAt + buffer.readUInt32LE(at + 76))
  }

  toJSON() {
    return { ...this, data: this.data.toString('base64') }
  }
}

/** How many events a batch has. */
const countOf = (batch) => batch.readUInt32LE(0)

/** What reads a batch, once from its beginning to its end. */
const readerOf = (batch) => new Reader(batch, HEAD, batch.latin1Slice(batch.readUInt32LE(4 + CURSOR)))

/** The event of a batch at an index. */
function eventAt(reader, index) {
  const { buffer, view } = reader
  const at = view.getUint32(HEAD + 4 * index, true)
  reader.at = at
  switch (buffer[at]) {
    case 0:
      return new RecordChanged(reader)
    case 1:
      return new IncomingData(reader)
    default:
      reader.at++
      return reader.value()
  }
}

/** The cursor behind the events of a batch before an index: where to go on if those were read. */
function cursorBefore(batch, index) {
  while (--index >= 0) {
    const at = batch.readUInt32LE(HEAD + 4 * index)
    if (batch[at] === 0) return own(batch, at + 4, at + 4 + CURSOR)
    if (batch[at] === 2) {
      const { cursor } = new Reader(batch, at + 1).value()
      if (cursor) return cursor
    }
  }
  return own(batch, 4, 4 + CURSOR)
}

module.exports = { RecordChanged, IncomingData, countOf, readerOf, eventAt, cursorBefore }

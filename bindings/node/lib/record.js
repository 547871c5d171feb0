'use strict'
// Records, read from their packed form. `src/records.rs` writes the layout.
//
// Plain data: own fields, so that comparing, cloning, spreading and showing a record work as with any object. Texts that
// many records have in common are made once: records are read in the order in which they were written.
const { isUtf8 } = require('node:buffer')
const { inspect, isDeepStrictEqual } = require('node:util')
const { own } = require('./own.js')

const CREATOR = 16, AUTHOR = 48, ELEMENT = 80, VERSION = 96, CREATED = 104, MODIFIED = 112, EXPIRES = 120, FLAGS = 128,
  TYPE_LENGTH = 129, ATTRIBUTES_LENGTH = 132, BODY_LENGTH = 136, TYPE = 140

const DELETED = 1, STATE = 6, HELD = 8, SAME_AUTHOR = 16, SAME_TYPE = 32, CREATOR_IS_AUTHOR = 64
const STATES = ['clear', 'key_missing', 'unreadable']

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

class Record {
  // Which version it is, in numbers: kept as bytes it would take another object.
  #element0
  #element1
  #element2
  #element3

  /** Reads the record that the reader is at, and leaves the reader behind it. @internal */
  constructor(reader) {
    const { buffer, view, at } = reader
    this.#element0 = view.getInt32(at + ELEMENT)
    this.#element1 = view.getInt32(at + ELEMENT + 4)
    this.#element2 = view.getInt32(at + ELEMENT + 8)
    this.#element3 = view.getInt32(at + ELEMENT + 12)
    const flags = buffer[at + FLAGS]
    const typeEnd = at + TYPE + buffer[at + TYPE_LENGTH]
    if ((flags & SAME_TYPE) === 0) reader.recordType = buffer.latin1Slice(at + TYPE, typeEnd)
    if ((flags & SAME_AUTHOR) === 0) reader.author = buffer.hexSlice(at + AUTHOR, at + ELEMENT)
    const expires = view.getFloat64(at + EXPIRES, true)
    const bodyAt = typeEnd + view.getUint32(at + ATTRIBUTES_LENGTH, true)
    const end = bodyAt + view.getUint32(at + BODY_LENGTH, true)
    this.id = reader.id(at)
    this.recordType = reader.recordType
    this.version = view.getFloat64(at + VERSION, true)
    this.creator = (flags & CREATOR_IS_AUTHOR) !== 0 ? reader.author : buffer.hexSlice(at + CREATOR, at + AUTHOR)
    this.author = reader.author
    this.created = new Date(view.getFloat64(at + CREATED, true))
    this.modified = new Date(view.getFloat64(at + MODIFIED, true))
    this.expires = Number.isNaN(expires) ? null : new Date(expires)
    this.deleted = (flags & DELETED) !== 0
    this.bodyState = STATES[(flags & STATE) >> 1]
    this.held = (flags & HELD) !== 0
    if (typeEnd === bodyAt) this.attributes = {}
    else {
      reader.at = typeEnd
      this.attributes = reader.value()
    }
    this.body = own(buffer, bodyAt, end)
    reader.at = end
  }

  /** Which version it is, among all that were ever written: what names the loser of a conflict. @internal */
  static elementOf(record) {
    if (!(#element0 in record)) return undefined
    const element = Buffer.alloc(16)
    const parts = [record.#element0, record.#element1, record.#element2, record.#element3]
    parts.forEach((part, at) => element.writeInt32BE(part, 4 * at))
    return element
  }

  get text() {
    return isUtf8(this.body) ? utf8.decode(this.body) : null
  }

  stream() {
    return new Blob([this.body]).stream()
  }

  equals(other) {
    return other instanceof Record && isDeepStrictEqual(this, other)
  }

  toJSON() {
    const { attributes, body, ...others } = this
    const { text } = this
    const content = text === null ? { body: body.toString('base64') } : { text }
    return { ...others, attributes: written(attributes), ...content }
  }

  [inspect.custom](depth, options) {
    const { id, recordType, version, author, deleted, attributes, text, body } = this
    const shown = { id, recordType, version, author, ...(deleted && { deleted }), attributes, body: text ?? body }
    return depth < 0 ? `Record ${id.slice(0, 10)}` : `Record ${inspect(shown, options)}`
  }
}

/** Attributes for JSON, which has no large whole numbers and no bytes: both as text. */
function written(attributes) {
  const one = (value) => {
    if (typeof value === 'bigint') return value.toString()
    if (value instanceof Uint8Array) return Buffer.from(value).toString('base64')
    return Array.isArray(value) ? value.map(one) : value
  }
  const names = Object.entries(attributes).map(([name, value]) => [name, one(value)])
  return Object.fromEntries(names)
}

module.exports = { Record }

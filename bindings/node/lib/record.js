'use strict'
// Records: read field by field from their packed form, when somebody looks. `src/records.rs` writes the layout.
const { inspect } = require('node:util')

const CREATOR = 16, AUTHOR = 48, ELEMENT = 80, VERSION = 96, CREATED = 104, MODIFIED = 112, EXPIRES = 120, FLAGS = 128,
  TYPE_LENGTH = 129, ATTRIBUTES_LENGTH = 132, BODY_LENGTH = 136, TYPE = 140

const STATES = ['clear', 'key_missing', 'unreadable']

/** Where a record of a packed form ends; `Record.end` names it. */
const end = Symbol('end')
const bytesOf = Symbol('bytes')

class Record {
  static end = end
  #packed
  #at

  constructor(packed, at) {
    this.#packed = packed
    this.#at = at
  }

  #hex(from, to) {
    return this.#packed.toString('hex', this.#at + from, this.#at + to)
  }

  #number(from) {
    return this.#packed.readDoubleLE(this.#at + from)
  }

  get #typeEnd() {
    return this.#at + TYPE + this.#packed[this.#at + TYPE_LENGTH]
  }

  get #bodyAt() {
    return this.#typeEnd + this.#packed.readUInt32LE(this.#at + ATTRIBUTES_LENGTH)
  }

  get [end]() {
    return this.#bodyAt + this.#packed.readUInt32LE(this.#at + BODY_LENGTH)
  }

  /** For comparing: all of it. */
  get [bytesOf]() {
    return this.#packed.subarray(this.#at, this[end])
  }

  get id() {
    return this.#hex(0, CREATOR)
  }

  get creator() {
    return this.#hex(CREATOR, AUTHOR)
  }

  get author() {
    return this.#hex(AUTHOR, ELEMENT)
  }

  get recordType() {
    return this.#packed.toString('latin1', this.#at + TYPE, this.#typeEnd)
  }

  get version() {
    return this.#number(VERSION)
  }

  get created() {
    return new Date(this.#number(CREATED))
  }

  get modified() {
    return new Date(this.#number(MODIFIED))
  }

  get expires() {
    const at = this.#number(EXPIRES)
    return Number.isNaN(at) ? null : new Date(at)
  }

  get deleted() {
    return (this.#packed[this.#at + FLAGS] & 1) !== 0
  }

  get bodyState() {
    return STATES[(this.#packed[this.#at + FLAGS] >> 1) & 3]
  }

  get held() {
    return (this.#packed[this.#at + FLAGS] & 8) !== 0
  }

  get attributes() {
    const at = this.#typeEnd
    return at === this.#bodyAt ? {} : Record.unpack(this.#packed, at)
  }

  get body() {
    return this.#packed.subarray(this.#bodyAt, this[end])
  }

  get text() {
    try {
      return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(this.body)
    } catch {
      return null
    }
  }

  stream() {
    return new Blob([this.body]).stream()
  }

  equals(other) {
    return other instanceof Record && this[bytesOf].equals(other[bytesOf])
  }

  toJSON() {
    const { id, recordType, version, creator, author, created, modified, expires, deleted, bodyState, held } = this
    const { attributes, text, body } = this
    const content = text === null ? { body: body.toString('base64') } : { text }
    const plain = (value) => (typeof value === 'bigint' ? value.toString() : value)
    const named = Object.fromEntries(Object.entries(attributes).map(([name, value]) => [name, plain(value)]))
    return {
      id, recordType, version, creator, author, created, modified, expires, deleted, bodyState, held,
      attributes: named, ...content,
    }
  }

  [inspect.custom](depth, options) {
    const { id, recordType, version, author, deleted, attributes, text, body } = this
    const shown = { id, recordType, version, author, ...(deleted && { deleted }), attributes, body: text ?? body }
    return depth < 0 ? `Record ${id.slice(0, 10)}` : `Record ${inspect(shown, options)}`
  }
}

module.exports = { Record }

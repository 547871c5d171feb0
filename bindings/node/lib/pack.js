'use strict'
// The packed form of values: how everything crosses from and to the native half. `src/pack.rs` is the other half.
const { types } = require('node:util')
const { date, described, isAttributes, refused, text, tooLarge } = require('./check.js')
const { own } = require('./own.js')
const { Record } = require('./record.js')

const NULL = 0, FALSE = 1, TRUE = 2, NUMBER = 3, TEXT = 4, BYTES = 5, TIME = 6, LIST = 7, MAP = 8, INTEGER = 9,
  RECORD = 10, LARGE = 11

class Reader {
  // Of the record read last, for the next.
  author = ''
  recordType = ''
  #ids
  #next = 0

  /** `ids`: those of the records in their order, if they were written as text at once. */
  constructor(buffer, at = 0, ids = null) {
    this.buffer = buffer
    this.#ids = ids
    this.view = new DataView(buffer.buffer, buffer.byteOffset, buffer.byteLength)
    this.at = at
  }

  /** Of the record that is next, which begins here. */
  id(at) {
    if (this.#ids === null) return this.buffer.hexSlice(at, at + 16)
    this.#next += 32
    return this.#ids.slice(this.#next - 32, this.#next)
  }

  length() {
    this.at += 4
    return this.view.getUint32(this.at - 4, true)
  }

  text() {
    const length = this.length()
    this.at += length
    return this.buffer.utf8Slice(this.at - length, this.at)
  }

  number() {
    this.at += 8
    return this.view.getFloat64(this.at - 8, true)
  }

  value() {
    const tag = this.buffer[this.at++]
    switch (tag) {
      case NULL:
        return null
      case FALSE:
        return false
      case TRUE:
        return true
      case NUMBER:
        return this.number()
      case TEXT:
        return this.text()
      case BYTES: {
        const length = this.length()
        this.at += length
        return own(this.buffer, this.at - length, this.at)
      }
      case TIME:
        return new Date(this.number())
      case LIST: {
        const length = this.length()
        const items = new Array(length)
        for (let i = 0; i < length; i++) items[i] = this.value()
        return items
      }
      case MAP:
        return this.map()
      case INTEGER: {
        this.at += 8
        const value = this.view.getBigInt64(this.at - 8, true)
        const number = Number(value)
        return Number.isSafeInteger(number) ? number : value
      }
      case LARGE:
        this.at += 8
        return this.view.getBigUint64(this.at - 8, true)
      case RECORD:
        return new Record(this)
      default:
        throw new Error(`a fault of the library: there is no tag ${tag}`)
    }
  }

  map() {
    const map = {}
    for (let rest = this.length(); rest > 0; rest--) {
      const name = this.text()
      const value = this.value()
      // A name of the application's may be anything, this included.
      if (name === '__proto__') Object.defineProperty(map, name, { value, enumerable: true, writable: true, configurable: true })
      else map[name] = value
    }
    return map
  }
}

/** The value of its packed form. */
const unpack = (buffer, at) => new Reader(buffer, at).value()

const small = (tag) => Buffer.from([tag])

function length(value) {
  const bytes = Buffer.allocUnsafe(4)
  bytes.writeUInt32LE(value)
  return bytes
}

/** Attributes together have 2 KiB: what is far beyond is not copied first. */
const LONG = 64 * 1024

function packText(parts, value, what) {
  if (value.length > LONG) throw tooLarge(what, value.length, 2048)
  const bytes = Buffer.from(text(value, what), 'utf8')
  parts.push(length(bytes.length), bytes)
}

function eight(parts, tag, write) {
  const bytes = Buffer.allocUnsafe(9)
  bytes[0] = tag
  write(bytes)
  parts.push(bytes)
}

/** A float, also where the number is whole, which otherwise becomes an integer. */
class Float {
  constructor(value) {
    this.value = Number(value)
    Object.freeze(this)
  }

  valueOf() {
    return this.value
  }
}

const LEAST = -(2n ** 63n)
const MOST = 2n ** 63n - 1n

function packBytes(parts, value, what) {
  const bytes = ArrayBuffer.isView(value) ? new Uint8Array(value.buffer, value.byteOffset, value.byteLength) : new Uint8Array(value)
  if (bytes.length > LONG) throw tooLarge(what, bytes.length, 2048)
  parts.push(small(BYTES), length(bytes.length), bytes)
}

function attribute(parts, name, value, listMay) {
  const what = `attribute "${name}"`
  if (typeof value === 'string') {
    parts.push(small(TEXT))
    packText(parts, value, what)
  } else if (typeof value === 'boolean') {
    parts.push(small(value ? TRUE : FALSE))
  } else if (typeof value === 'bigint' || Number.isSafeInteger(value)) {
    const whole = BigInt(value)
    if (whole < LEAST || whole > MOST) throw new RangeError(`${what} has more than 64 bits`)
    eight(parts, INTEGER, (bytes) => bytes.writeBigInt64LE(whole, 1))
  } else if (typeof value === 'number' || value instanceof Float) {
    if (Number.isNaN(Number(value))) throw refused(`${what} is not a number (NaN)`)
    eight(parts, NUMBER, (bytes) => bytes.writeDoubleLE(Number(value), 1))
  } else if (types.isDate(value)) {
    const at = date(value, what)
    eight(parts, TIME, (bytes) => bytes.writeDoubleLE(at, 1))
  } else if (ArrayBuffer.isView(value) || types.isAnyArrayBuffer(value)) {
    packBytes(parts, value, what)
  } else if (Array.isArray(value) && listMay) {
    parts.push(small(LIST), length(value.length))
    for (const item of value) attribute(parts, name, item, false)
  } else {
    const kind = Array.isArray(value) ? 'a list in a list' : described(value)
    throw new TypeError(
      `${what} is ${kind}; string, number, bigint, boolean, Date, Uint8Array and lists of these can be kept`,
    )
  }
}

/** Attributes in their packed form. */
function packAttributes(attributes, name) {
  const given = types.isMap(attributes) ? [...attributes] : Object.entries(isAttributes(attributes, name))
  const entries = given.filter(([, value]) => value !== undefined)
  const parts = [small(MAP), length(entries.length)]
  for (const [each, value] of entries) {
    packText(parts, text(each, 'the name of an attribute'), 'the name of an attribute')
    attribute(parts, each, value, true)
  }
  return Buffer.concat(parts)
}

module.exports = { Reader, unpack, packAttributes, Float }

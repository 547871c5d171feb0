'use strict'
// The packed form of values: how everything crosses from and to the native half. `src/pack.rs` is the other half.
const { Record } = require('./record.js')

const NULL = 0, FALSE = 1, TRUE = 2, NUMBER = 3, TEXT = 4, BYTES = 5, TIME = 6, LIST = 7, MAP = 8, INTEGER = 9,
  RECORD = 10, LARGE = 11

class Reader {
  constructor(buffer, at = 0) {
    this.buffer = buffer
    this.at = at
  }

  length() {
    const value = this.buffer.readUInt32LE(this.at)
    this.at += 4
    return value
  }

  text() {
    const length = this.length()
    this.at += length
    return this.buffer.toString('utf8', this.at - length, this.at)
  }

  number() {
    this.at += 8
    return this.buffer.readDoubleLE(this.at - 8)
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
        return this.buffer.subarray(this.at - length, this.at)
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
        const value = this.buffer.readBigInt64LE(this.at - 8)
        const number = Number(value)
        return Number.isSafeInteger(number) ? number : value
      }
      case LARGE:
        this.at += 8
        return this.buffer.readBigUInt64LE(this.at - 8)
      case RECORD: {
        const record = new Record(this.buffer, this.at)
        this.at = record[Record.end]
        return record
      }
      default:
        throw new Error(`a fault of the library: there is no tag ${tag}`)
    }
  }

  map() {
    const map = {}
    for (let rest = this.length(); rest > 0; rest--) {
      const name = this.text()
      // A name of the application's may be anything, `__proto__` included.
      Object.defineProperty(map, name, { value: this.value(), enumerable: true, writable: true, configurable: true })
    }
    return map
  }
}

/** The value of its packed form. */
const unpack = (buffer, at) => new Reader(buffer, at).value()
Record.unpack = unpack

const small = (tag) => Buffer.from([tag])

function length(value) {
  const bytes = Buffer.allocUnsafe(4)
  bytes.writeUInt32LE(value)
  return bytes
}

function text(parts, value) {
  const bytes = Buffer.from(value, 'utf8')
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

function attribute(parts, name, value, listMay) {
  if (typeof value === 'string') {
    parts.push(small(TEXT))
    text(parts, value)
  } else if (typeof value === 'boolean') {
    parts.push(small(value ? TRUE : FALSE))
  } else if (typeof value === 'bigint' || Number.isSafeInteger(value)) {
    const whole = BigInt(value)
    if (whole < LEAST || whole > MOST) throw new RangeError(`attribute "${name}" has more than 64 bits`)
    eight(parts, INTEGER, (bytes) => bytes.writeBigInt64LE(whole, 1))
  } else if (typeof value === 'number' || value instanceof Float) {
    eight(parts, NUMBER, (bytes) => bytes.writeDoubleLE(Number(value), 1))
  } else if (value instanceof Date) {
    eight(parts, TIME, (bytes) => bytes.writeDoubleLE(value.getTime(), 1))
  } else if (value instanceof Uint8Array) {
    parts.push(small(BYTES), length(value.length), value)
  } else if (Array.isArray(value) && listMay) {
    parts.push(small(LIST), length(value.length))
    for (const item of value) attribute(parts, name, item, false)
  } else {
    const kind = Array.isArray(value) ? 'a list in a list' : value === null ? 'null' : `of type ${typeof value}`
    throw new TypeError(
      `attribute "${name}" is ${kind}; string, number, bigint, boolean, Date, Uint8Array and lists of these can be kept`,
    )
  }
}

/** Attributes in their packed form. */
function packAttributes(attributes) {
  if (typeof attributes !== 'object' || attributes === null || Array.isArray(attributes)) {
    throw new TypeError('attributes are an object of names and values')
  }
  const entries = (attributes instanceof Map ? [...attributes] : Object.entries(attributes)).filter(
    ([, value]) => value !== undefined,
  )
  const parts = [small(MAP), length(entries.length)]
  for (const [name, value] of entries) {
    text(parts, name)
    attribute(parts, name, value, true)
  }
  return Buffer.concat(parts)
}

module.exports = { unpack, packAttributes, Float }

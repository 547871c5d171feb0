'use strict'
// Arguments, looked at before anything happens: types, names of options, whole text. A value of another realm (Jest,
// `node:vm`, an iframe) is as good as one of this. No message repeats a value: it may be a secret.
const { fileURLToPath } = require('node:url')
const { types } = require('node:util')
const { InvalidArgumentError, TooLargeError } = require('./errors.js').classes

/** What a value is, in a message. */
function described(value) {
  if (value === null || value === undefined) return String(value)
  if (Array.isArray(value)) return 'an array'
  if (typeof value === 'object') {
    const name = Object.prototype.toString.call(value).slice(8, -1)
    return name === 'Object' ? 'an object' : `an object (${name})`
  }
  return `${typeof value === 'undefined' ? 'an' : 'a'} ${typeof value}`
}

/** An argument of a wrong type, as Node's own functions say it. */
function wrong(name, expected, value) {
  const error = new TypeError(`${name} must be ${expected}, not ${described(value)}`)
  error.code = 'ERR_INVALID_ARG_TYPE'
  return error
}

/** An argument of the right type that breaks a rule. */
const refused = (message) => new InvalidArgumentError(message)

const isObject = (value) => typeof value === 'object' && value !== null

/** A string. One with half of a surrogate pair has no UTF-8, which would change it in silence. */
function text(value, name, expected = 'a string') {
  if (typeof value === 'object' && types.isStringObject(value)) value = String(value)
  if (typeof value !== 'string') throw wrong(name, expected, value)
  if (!value.isWellFormed()) throw refused(`${name} holds half of a surrogate pair, which is no character`)
  return value
}

function flag(value, name) {
  if (typeof value !== 'boolean') throw wrong(name, 'a boolean', value)
  return value
}

function number(value, name) {
  if (typeof value !== 'number') throw wrong(name, 'a number', value)
  return value
}

/** A whole number that is not negative. */
function count(value, name) {
  if (!Number.isSafeInteger(number(value, name)) || value < 0) throw refused(`${name} must be a whole number that is not negative`)
  return value
}

/** Milliseconds. */
function span(value, name) {
  if (!(number(value, name) >= 0 && value < Infinity)) {
    throw refused(`${name} must be a number of milliseconds that is not negative`)
  }
  return value
}

/** Milliseconds; `null` for no end of its own, which crosses as infinity. */
const lifetime = (value, name) => (value === null ? Infinity : span(value, name))

/** A moment, in milliseconds since 1970. */
function date(value, name) {
  if (!types.isDate(value)) throw wrong(name, 'a Date', value)
  const at = Date.prototype.getTime.call(value)
  if (Number.isNaN(at)) throw refused(`${name} is an invalid Date`)
  return at
}

/** A moment of a clock, which knows none before 1970. */
function moment(value, name) {
  const at = date(value, name)
  if (at < 0) throw refused(`${name} is before 1970`)
  return at
}

const BYTES = 'a string, Uint8Array, ArrayBuffer or DataView'

/** Bytes as they are, not copied; text as UTF-8, unless it has more than `most` bytes in any case. */
function bytes(value, name, most = Infinity, expected = BYTES) {
  if (typeof value === 'string') {
    if (value.length > most) throw tooLarge(name, value.length, most)
    return Buffer.from(text(value, name), 'utf8')
  }
  if (types.isUint8Array(value)) return value
  if (ArrayBuffer.isView(value)) return new Uint8Array(value.buffer, value.byteOffset, value.byteLength)
  if (types.isAnyArrayBuffer(value)) return new Uint8Array(value)
  throw wrong(name, expected, value)
}

/** Bytes that are no text: keys, cursors. */
function binary(value, name) {
  if (typeof value === 'string') throw wrong(name, 'a Uint8Array', value)
  return bytes(value, name, Infinity, 'a Uint8Array')
}

const tooLarge = (name, size, most) => new TooLargeError(`${name} takes ${size} bytes or more, and may have ${most}`)

/** Texts: one, or several. */
function texts(value, name) {
  if (typeof value === 'string' || types.isStringObject(value)) return [text(value, name)]
  if (!isObject(value) || typeof value[Symbol.iterator] !== 'function' || ArrayBuffer.isView(value)) {
    throw wrong(name, 'a string, or an array of strings', value)
  }
  return [...value].map((each, at) => text(each, `${name}[${at}]`))
}

function listed(value, name) {
  if (!Array.isArray(value)) throw wrong(name, 'an array of strings', value)
  return texts(value, name)
}

function callback(value, name) {
  if (typeof value !== 'function') throw wrong(name, 'a function', value)
  return value
}

function signal(value, name) {
  if (!isObject(value) || typeof value.aborted !== 'boolean' || typeof value.addEventListener !== 'function') {
    throw wrong(name, 'an AbortSignal', value)
  }
  return value
}

/** An object of names and values: no array, bytes, Date or class of another kind. */
function isAttributes(value, name) {
  if (Object.prototype.toString.call(value) !== '[object Object]') throw wrong(name, 'an object or Map of names and values', value)
  return value
}

/** A path: text, or a file's URL. */
function path(value, name) {
  if (isObject(value) && typeof value.href === 'string' && typeof value.protocol === 'string') {
    return fileURLToPath(value.href)
  }
  const told = text(value, name, 'a string or a file URL')
  if (told === '') throw refused(`${name} is empty`)
  return told
}

/** One of some words. */
const word = (words) => (value, name) => {
  if (!words.includes(text(value, name))) throw new TypeError(`${name} must be one of ${words.join(', ')}, not "${value}"`)
  return value
}

const plainly = (name) => name.toLowerCase().replaceAll(/[_-]/g, '')

/** That there is nothing of this name. */
function unknown(what, name, known) {
  const near = known.find((each) => plainly(each) === plainly(name) || `${plainly(each)}s` === plainly(name) || plainly(each) === `${plainly(name)}s`)
  const error = new TypeError(`${what} "${name}"${near === undefined ? `; there are ${known.join(', ')}` : `; did you mean "${near}"?`}`)
  error.code = 'ERR_INVALID_ARG_VALUE'
  return error
}

/**
 * Reads options of known names: `{ name: check }`. What is undefined is left out; any other name is an error, since a
 * misspelt option would change in silence what happens.
 */
function options(given, known, name = 'options') {
  if (given === undefined) return {}
  if (Object.prototype.toString.call(given) !== '[object Object]' || typeof given === 'function') throw wrong(name, 'an object', given)
  const read = {}
  for (const key in given) {
    const check = Object.hasOwn(known, key) ? known[key] : undefined
    if (check === undefined) {
      if (!Object.hasOwn(given, key)) continue
      throw unknown(`${name} has no`, key, Object.keys(known))
    }
    const value = given[key]
    if (value !== undefined) read[key] = check(value, name === 'options' || name === 'config' || name === 'changes' ? key : `${name}.${key}`)
  }
  return read
}

/** A check that lets `null` through, as what is left out. */
const orNull = (check) => (value, name) => (value === null ? undefined : check(value, name))

/** A check for what is left out or as checked. */
const maybe = (check) => (value, name) => (value === undefined ? undefined : check(value, name))

const CANCELLABLE = { signal }
/** The options of a call that has no others. */
const waiting = (given) => (given === undefined ? undefined : options(given, CANCELLABLE))

module.exports = {
  BYTES, described, wrong, refused, unknown, text, flag, number, count, span, lifetime, date, moment, bytes, binary, tooLarge, texts,
  listed, isAttributes, callback, signal, path, word, options, orNull, maybe, waiting,
}

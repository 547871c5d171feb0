'use strict'
// Bodies: bytes, text, or what gives bytes piece by piece.
const { types } = require('node:util')
const { until } = require('./bridge.js')
const { BYTES, bytes, text, tooLarge, wrong } = require('./check.js')

const EXPECTED = `${BYTES}, Blob, or a stream of these`

const isWhole = (body) => typeof body === 'string' || ArrayBuffer.isView(body) || types.isAnyArrayBuffer(body)
const isObject = (body) => typeof body === 'object' && body !== null

/**
 * A body: bytes at once where they are there, so that the call has its place and what happens to a buffer later changes
 * nothing; otherwise a promise of them. What gives more than `most` bytes is stopped there, and so is what is read when the
 * signal is aborted.
 */
function bodyOf(body, most, signal) {
  if (typeof body === 'object' && types.isStringObject(body)) body = String(body)
  if (isWhole(body)) return bytes(body, 'body', most)
  if (isObject(body) && typeof body.arrayBuffer === 'function' && typeof body.size === 'number') return blob(body, most, signal)
  // A fetched Response is read by its stream.
  const stream = isObject(body) && typeof body.arrayBuffer === 'function' ? body.body : body
  if (isObject(stream) && typeof stream[Symbol.asyncIterator] === 'function') return collected(sourceOf(stream), most, signal)
  throw wrong('body', EXPECTED, body)
}

async function blob(body, most, signal) {
  signal?.throwIfAborted()
  if (body.size > most) throw tooLarge('body', body.size, most)
  return new Uint8Array(await until(body.arrayBuffer(), signal))
}

/** What gives pieces: how the next is asked for, and how it is stopped while it is asked. */
function sourceOf(stream) {
  if (typeof stream.getReader === 'function') {
    // Its iterator would wait for the piece that is under way before it cancels.
    const reader = stream.getReader()
    const next = async () => {
      const read = await reader.read()
      if (read.done) reader.releaseLock()
      return read
    }
    const stop = async (reason) => {
      const cancelled = reader.cancel(reason)
      reader.releaseLock()
      await cancelled
    }
    return { next, stop }
  }
  const iterator = stream[Symbol.asyncIterator]()
  const isNodes = typeof stream.pipe === 'function' && typeof stream.destroy === 'function'
  const stop = isNodes ? async () => stream.destroy() : async () => iterator.return?.()
  return { next: async () => iterator.next(), stop }
}

async function collected(source, most, signal) {
  const parts = []
  let [size, failed] = [0, false]
  const ask = async () => {
    try {
      return await source.next()
    } catch (error) {
      failed = true
      throw error
    }
  }
  const take = (part) => {
    const piece = typeof part === 'string' ? Buffer.from(text(part, 'a piece of body'), 'utf8') : bytes(part, 'a piece of body')
    size += piece.length
    if (size > most) throw tooLarge('body', size, most)
    // Whoever gave it may fill it again.
    parts.push(Buffer.from(piece))
  }
  try {
    for (;;) {
      signal?.throwIfAborted()
      const { value, done } = await until(ask(), signal)
      if (done) return Buffer.concat(parts, size)
      take(value)
    }
  } catch (error) {
    // What the source says of being stopped changes nothing; an aborted signal does not wait for it.
    if (!failed) await until(source.stop(error), signal).catch(() => {})
    throw error
  }
}

module.exports = { bodyOf }

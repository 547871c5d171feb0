'use strict'
// Bodies: bytes, text, or what gives bytes piece by piece.
const { types } = require('node:util')
const { BYTES, bytes, text, tooLarge, wrong } = require('./check.js')

const EXPECTED = `${BYTES}, Blob, or a stream of these`

const isWhole = (body) => typeof body === 'string' || ArrayBuffer.isView(body) || types.isAnyArrayBuffer(body)
const isObject = (body) => typeof body === 'object' && body !== null

/**
 * A body: bytes at once where they are there, so that the call has its place and what happens to a buffer later changes
 * nothing; otherwise a promise of them. What gives more than `most` bytes is stopped there.
 */
function bodyOf(body, most) {
  if (typeof body === 'object' && types.isStringObject(body)) body = String(body)
  if (isWhole(body)) return bytes(body, 'body', most)
  if (isObject(body) && typeof body.arrayBuffer === 'function' && typeof body.size === 'number') return blob(body, most)
  // A fetched Response is read by its stream.
  const stream = isObject(body) && typeof body.arrayBuffer === 'function' ? body.body : body
  if (isObject(stream) && typeof stream[Symbol.asyncIterator] === 'function') return collected(stream, most)
  throw wrong('body', EXPECTED, body)
}

async function blob(body, most) {
  if (body.size > most) throw tooLarge('body', body.size, most)
  return new Uint8Array(await body.arrayBuffer())
}

async function collected(stream, most) {
  const parts = []
  let size = 0
  // Leaving the loop stops the stream.
  for await (const part of stream) {
    const piece = typeof part === 'string' ? Buffer.from(text(part, 'a piece of body'), 'utf8') : bytes(part, 'a piece of body')
    size += piece.length
    if (size > most) throw tooLarge('body', size, most)
    // Whoever gave it may fill it again.
    parts.push(Buffer.from(piece))
  }
  return Buffer.concat(parts, size)
}

module.exports = { bodyOf }

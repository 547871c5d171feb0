'use strict'
// Bytes in a buffer of their own. A view of what crossed at once would be cloned, and kept in memory, with all of it: other
// records as well.

/** What makes a Buffer that is no part of the pool of small ones. */
const Bytes = Buffer[Symbol.species]
/** Up to here no memory outside of the heap is needed, and one by one is the fastest. */
const FEW = 64

/** A copy of a part. */
function own(buffer, from, to) {
  const length = to - from
  if (length > FEW) return new Bytes(buffer.subarray(from, to))
  const bytes = new Bytes(length)
  for (let i = 0; i < length; i++) bytes[i] = buffer[from + i]
  return bytes
}

/** A copy of bytes: of a secret, which has no business in a pool that others see. */
const copied = (bytes) => new Bytes(bytes)

module.exports = { own, copied }

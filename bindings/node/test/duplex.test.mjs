// Direct connections as Node streams: whole, or an error at both ends.
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { setImmediate as turn } from 'node:timers/promises'
import { test } from 'node:test'

import { Node, loopback } from 'peergraph'

import { eventually, joined, nodeFor, soon } from './support.mjs'

/** A direct connection and its other end, between two nodes; both accept data. */
async function connected(t) {
  const [node, other] = [await nodeFor(t), await Node.start(loopback())]
  t.after(() => other.shutdown())
  const group = await node.createGroup('duplex')
  const far = await joined(group, other)
  const accepting = far.events('direct_connection')
  const connection = await group.openDirect({ peer: other.peerId })
  const { connection: number } = await soon(accepting)
  return { group, far, other, connection, accepting, back: await far.directConnection(number) }
}

async function collected(stream, pieces = []) {
  for await (const piece of stream) pieces.push(piece)
  return Buffer.concat(pieces)
}

const lost = { code: 'ERR_STREAM_PREMATURE_CLOSE' }

test('n5 bytes come whole, in both directions, and end', async (t) => {
  const { connection, back } = await connected(t)
  const [there, here] = [connection.duplex('file'), back.duplex('file')]
  const content = randomBytes(3_000_000)
  const echo = pipeline(here, here)
  const reading = collected(there)
  await pipeline(Readable.from(chunks(content, 60_000)), there)
  assert((await reading).equals(content))
  await echo
})

function* chunks(content, size) {
  for (let at = 0; at < content.length; at += size) yield content.subarray(at, at + size)
}

test('n5 a connection that is lost in the middle is an error of the reader', async (t) => {
  for (const end of ['close', 'shutdown', 'graph']) {
    const { far, other, connection, back, group } = await connected(t)
    const [writer, reader] = [back.duplex('file'), connection.duplex('file')]
    const pieces = []
    const reading = collected(reader, pieces)
    const failed = assert.rejects(reading, lost)
    writer.on('error', () => {})
    writer.write('half of it')
    await eventually('the first half', () => pieces.length > 0)
    if (end === 'close') await back.close()
    else if (end === 'shutdown') await other.shutdown()
    else await far.close()
    await failed
    assert.equal(`${pieces}`, 'half of it')
    await group.close()
  }
})

test('n5 pipeline of a lost connection rejects', async (t) => {
  const { connection, back } = await connected(t)
  const reader = connection.duplex('file')
  const writer = back.duplex('file').on('error', () => {})
  const piping = pipeline(reader, async function* (source) {
    for await (const piece of source) {
      yield piece
      back.close().catch(() => {})
    }
  }, async (source) => {
    for await (const piece of source) assert(piece)
  })
  writer.write('half')
  await assert.rejects(piping, lost)
})

test('n5 what is written before the other end has its stream is kept for it', async (t) => {
  const { connection, back } = await connected(t)
  const writer = connection.duplex('file')
  const writing = pipeline(Readable.from(['early ', 'and ', 'late']), writer)
  let done = false
  writing.then(() => {
    done = true
  })
  for (let n = 0; n < 200; n++) await turn()
  assert(!done, 'nobody has it yet')
  assert.equal(`${await collected(back.duplex('file'))}`, 'early and late')
  await writing
})

test('n5 what nobody took is an error of the writer', async (t) => {
  const { connection, back } = await connected(t)
  const writer = connection.duplex('file')
  const writing = pipeline(Readable.from(['x']), writer)
  const failed = assert.rejects(writing)
  await back.close()
  await failed
})

test('n5 a chunk above the limit of a message is split', async (t) => {
  const { connection, back } = await connected(t)
  const content = randomBytes(17 * 1024 * 1024)
  const reading = collected(back.duplex('file'))
  await pipeline(Readable.from([content]), connection.duplex('file'))
  assert((await reading).equals(content))
})

test('n5 a stream that is destroyed in the middle is an error at the other end', async (t) => {
  const { connection, back } = await connected(t)
  const [writer, reader] = [connection.duplex('file'), back.duplex('file')]
  const reading = collected(reader)
  const failed = assert.rejects(reading, lost)
  writer.write('half')
  await once(reader, 'readable')
  writer.on('error', () => {}).destroy(new Error('the source failed'))
  await failed
  // The reader who goes is told to the writer, too.
  const [second, far] = [connection.duplex('more'), back.duplex('more')]
  second.write('one')
  await once(far, 'readable')
  far.destroy()
  const told = once(second, 'error')
  const pumping = setInterval(() => second.destroyed || second.write('two'), 5)
  assert.equal((await told)[0].code, lost.code)
  clearInterval(pumping)
  // The connection lives.
  const again = collected(back.duplex('again'))
  await pipeline(Readable.from(['still there']), connection.duplex('again'))
  assert.equal(`${await again}`, 'still there')
})

test('n5 who has all and closes at once breaks nothing', async (t) => {
  const { group, other, accepting, back: first, connection: opened, far } = await connected(t)
  for (let n = 0, connection = opened, back = first; n < 20; n++) {
    const reading = collected(back.duplex('file')).then(async (got) => {
      await back.close()
      return got
    })
    const content = randomBytes(50_000)
    await pipeline(Readable.from(chunks(content, 10_000)), connection.duplex('file'))
    assert((await reading).equals(content))
    if (n === 19) break
    for (const event of accepting.drain()) assert(event)
    connection = await group.openDirect({ peer: other.peerId })
    let event
    do event = await soon(accepting)
    while (event.change !== 'connected')
    back = await far.directConnection(event.connection)
  }
})

test('n5 a stream on a connection that is gone is an error at once', async (t) => {
  const { connection, back } = await connected(t)
  await back.close()
  await eventually('gone', async () => {
    const stream = connection.duplex('file')
    try {
      await collected(stream)
    } catch (error) {
      return error.code === lost.code
    }
    return assert.fail('it ended well')
  })
})

test('n5 n6 options of a stream have names', async (t) => {
  const { connection } = await connected(t)
  assert.throws(() => connection.duplex('file', { highwatermark: 5 }), /highWaterMark/)
  assert.throws(() => connection.duplex('file', { objectMode: true }), TypeError)
  assert.throws(() => connection.duplex(), TypeError)
  const controller = new AbortController()
  const stream = connection.duplex('file', { highWaterMark: 1024, signal: controller.signal })
  const failed = assert.rejects(collected(stream), { name: 'AbortError' })
  controller.abort()
  await failed
})

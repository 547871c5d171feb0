// What a record or event brings is its own: cloning or keeping one takes nothing of the others along.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { test } from 'node:test'
import { MessageChannel } from 'node:worker_threads'

import { eventually, joined, nodeFor, soon } from './support.mjs'

/** All bytes in a value, however deep. */
function bytesIn(value, found = []) {
  if (ArrayBuffer.isView(value)) found.push(value)
  else if (typeof value === 'object' && value !== null) for (const inner of Object.values(value)) bytesIn(inner, found)
  return found
}

/** Each has a buffer of exactly its own bytes, and so has each in a clone. */
function owns(value, least) {
  const [given, cloned] = [bytesIn(value), bytesIn(structuredClone(value))]
  assert(given.length >= least, `${given.length} have bytes`)
  assert.deepEqual(given.map(({ length }) => length), cloned.map(({ length }) => length))
  for (const { length, buffer } of [...given, ...cloned]) assert.equal(buffer.byteLength, length)
}

const SIZES = [0, 1, 10, 63, 64, 65, 100, 5000, 200_000]

test('n8 records and events are cloned with their own bytes and no others', async (t) => {
  const graph = await (await nodeFor(t)).createGraph('n8')
  const events = graph.events('record_changed', { snapshot: true })
  for (const size of SIZES) {
    const body = Buffer.alloc(size, size)
    owns(await graph.publish('t', body, { attributes: { raw: Buffer.alloc(20, 1), list: [Buffer.from([1]), 'x'] } }), 3)
  }
  const listed = await graph.records()
  assert.deepEqual(listed.map(({ body }) => body), SIZES.map((size) => Buffer.alloc(size, size)))
  for (const record of listed) owns(record, 3)
  for (let n = 0; n <= SIZES.length; n++) {
    const event = await soon(events)
    if (event.type !== 'caught_up') owns(event, 4)
    else owns(event, 1)
  }
  owns([events.cursor], 1)
  events.close()
  await graph.saveCursor('n8', events.cursor)
  owns([events.cursor, await graph.loadCursor('n8')], 2)
  owns([(await (await nodeFor(t)).identities.default()).sign('x')], 1)
})

test('n8 a thousand records posted one by one take their own size', async (t) => {
  const graph = await (await nodeFor(t)).createGraph('n8')
  const body = Buffer.alloc(10, 7)
  await Promise.all(Array.from({ length: 1000 }, () => graph.publish('t', body)))
  const { port1, port2 } = new MessageChannel()
  let [came, bytes] = [0, 0]
  port2.on('message', (record) => {
    came++
    for (const { buffer } of bytesIn(record)) bytes += buffer.byteLength
  })
  for (const record of await graph.records()) port1.postMessage(record)
  port1.close()
  await once(port2, 'close')
  assert.deepEqual([came, bytes], [1000, 10_000])
})

test('n8 incoming data is cloned with its own bytes and no others', async (t) => {
  const [node, other] = [await nodeFor(t), await nodeFor(t)]
  const group = await node.createGroup('n8')
  const far = await joined(group, other)
  const events = far.events('incoming_data', 'direct_connection')
  const connection = await group.openDirect({ peer: other.peerId })
  // Several at once, so that they cross together.
  const sent = SIZES.map((size) => connection.send('a', Buffer.alloc(size, size)))
  await Promise.all((await Promise.all(sent)).map((receipt) => receipt.delivered()))
  assert.equal((await soon(events)).type, 'direct_connection')
  for (const size of SIZES) {
    const event = await soon(events)
    assert.deepEqual(event.data, Buffer.alloc(size, size))
    owns(event, 1)
  }
})

test('n8 a record that is kept holds the memory of no other', async (t) => {
  const graph = await (await nodeFor(t)).createGraph('n8')
  const large = Buffer.alloc(1024 * 1024)
  const small = await graph.publish('t', 'small')
  for (let n = 0; n < 8; n++) await graph.publish('t', large)
  const held = () => {
    global.gc()
    return process.memoryUsage().arrayBuffers
  }
  const before = held()
  const keep = async () => {
    const listed = (await graph.records()).find(({ id }) => id === small.id)
    const events = graph.events('record_changed', { snapshot: true })
    const { record } = await soon(events)
    events.close()
    return [listed, record]
  }
  const kept = []
  for (let n = 0; n < 8; n++) kept.push(...(await keep()))
  await eventually('the pages are let go', () => held() - before < 2 * large.length)
  assert(kept.every(({ text }) => text === 'small'))
})

// Records and events are plain data: comparable, cloneable, and readable as JSON.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isDeepStrictEqual } from 'node:util'
import { MessageChannel } from 'node:worker_threads'
import { once } from 'node:events'


import { joined, nodeFor, soon } from './support.mjs'

const ATTRIBUTES = { big: 2n ** 60n, list: [1, 2n ** 61n], at: new Date(5000), raw: Buffer.from([0, 255]), n: 1.5, s: 'ä' }

test('n8 records are equal when they are, and only then', async (t) => {
  const graph = await (await nodeFor(t)).createGraph('n8')
  const [one, two] = [await graph.publish('t', 'one', { attributes: ATTRIBUTES }), await graph.publish('t', 'two')]
  assert.notDeepStrictEqual(one, two)
  assert.deepStrictEqual(await graph.get(one), one)
  assert.deepStrictEqual((await graph.records())[0], one)
  assert.notDeepStrictEqual(await graph.update(one, { body: 'one' }), one)
  assert(one.equals(await graph.get(one)) === false && two.equals(await graph.get(two)))
  assert.deepEqual(one.attributes, ATTRIBUTES)
  const fields = ['id', 'recordType', 'version', 'creator', 'author', 'created', 'modified', 'expires', 'deleted', 'bodyState', 'attributes', 'body']
  assert.deepEqual(fields.filter((name) => !Object.keys(one).includes(name)), [])
})

test('n8 events are equal when they are, and only then', async (t) => {
  const node = await nodeFor(t)
  const graph = await node.createGraph('n8')
  const [left, right] = [graph.events('record_changed', 'status_changed'), graph.events('record_changed', 'status_changed')]
  await graph.publish('t', 'one')
  await graph.publish('t', 'two')
  await graph.listen()
  const [ours, theirs] = [left, right].map((events) => [...events.drain()])
  assert.equal(ours.length, 3)
  assert.deepStrictEqual(ours, theirs)
  assert.notDeepStrictEqual(ours[0], theirs[1])
  assert.deepEqual(Object.keys(ours[0]).sort(), ['change', 'conflict', 'cursor', 'origin', 'record', 'type'])
})

test('n8 incoming data is plain, too', async (t) => {
  const [node, other] = [await nodeFor(t), await nodeFor(t)]
  const group = await node.createGroup('n8')
  const far = await joined(group, other)
  const events = far.events('incoming_data', 'direct_connection')
  const connection = await group.openDirect({ peer: other.peerId })
  await (await connection.send('a', 'one')).delivered()
  await (await connection.send('b', Buffer.from([0, 255]))).delivered()
  const got = []
  while (got.length < 2) {
    const event = await soon(events)
    if (event.type === 'incoming_data') got.push(event)
  }
  assert.notDeepStrictEqual(got[0], got[1])
  assert.deepEqual(structuredClone(got[0]), { ...got[0], data: new Uint8Array(Buffer.from('one')) })
  assert.equal(JSON.parse(JSON.stringify(got[1])).data, Buffer.from([0, 255]).toString('base64'))
  assert.deepEqual([got[0].node, got[1].peer, got[1].dataType, got[0].kind], [node.id, node.peerId, 'b', 'direct'])
})

test('n8 what is cloned, sent or spread is whole', async (t) => {
  const graph = await (await nodeFor(t)).createGraph('n8')
  const events = graph.events('record_changed')
  const record = await graph.publish('t', 'text', { attributes: ATTRIBUTES, expires: new Date(Date.now() + 1e8) })
  const event = await soon(events)
  const bytes = (buffer) => new Uint8Array(buffer)
  const expected = { ...record, body: bytes(record.body), attributes: { ...ATTRIBUTES, raw: bytes(ATTRIBUTES.raw) } }
  assert.deepStrictEqual(structuredClone(record), expected)
  assert.deepStrictEqual(structuredClone(event), { ...event, record: expected, cursor: bytes(event.cursor) })
  const { port1, port2 } = new MessageChannel()
  const came = once(port2, 'message')
  port1.postMessage(event)
  assert.deepStrictEqual((await came)[0].record, expected)
  port1.close()
  assert.deepEqual([{ ...record }.id, { ...event }.record], [record.id, record])
  assert(isDeepStrictEqual({ ...record }.attributes, ATTRIBUTES))
})

test('n8 JSON reads well', async (t) => {
  const node = await nodeFor(t)
  const graph = await node.createGraph('n8')
  const events = graph.events('record_changed')
  const record = await graph.publish('t', 'text', { attributes: ATTRIBUTES })
  const read = JSON.parse(JSON.stringify(record))
  assert.deepEqual(read.attributes, { big: `${2n ** 60n}`, list: [1, `${2n ** 61n}`], at: '1970-01-01T00:00:05.000Z', raw: 'AP8=', n: 1.5, s: 'ä' })
  assert.deepEqual([read.text, read.id, read.created, read.expires], ['text', record.id, record.created.toISOString(), null])
  const told = JSON.parse(JSON.stringify(await soon(events)))
  assert.deepEqual([told.record, told.change, told.type, Buffer.from(told.cursor, 'base64').length], [read, 'added', 'record_changed', 24])
  const binary = JSON.parse(JSON.stringify(await graph.publish('t', Buffer.from([255]))))
  assert.deepEqual([binary.body, 'text' in binary], ['/w==', false])
  assert.equal(typeof node.metrics.bytesSent, 'bigint')
  assert.deepEqual(Object.keys(JSON.parse(JSON.stringify(node.metrics))), ['bytesSent', 'bytesReceived'])
  assert.deepEqual(Object.keys(node.metrics), ['bytesSent', 'bytesReceived'])
})

test('n8 texts that are made once belong to their records', async (t) => {
  // Several authors and types, in changing order, in one batch and one page.
  const [node, other] = [await nodeFor(t), await nodeFor(t)]
  const group = await node.createGroup('n8')
  const far = await joined(group, other)
  const made = []
  for (let n = 0; n < 12; n++) {
    const at = n % 3 === 0 ? far : group
    const record = await at.publish(n % 4 === 0 ? 'a' : 'b', `${n}`)
    made.push(record)
    if (n === 5) made.push(await group.update(record, { body: 'changed' }))
    while ((await group.get(record)) === null || (await far.get(record)) === null) await new Promise(setImmediate)
  }
  const expected = new Map(made.map((record) => [record.id, record]))
  const told = new Map()
  const events = group.events('record_changed', { snapshot: true, recordTypes: ['a', 'b'] })
  while (told.size < 12) {
    const event = await soon(events)
    if (event.type === 'record_changed') told.set(event.record.id, event.record)
  }
  assert.deepEqual(told, expected)
  const listed = await group.records()
  assert.deepEqual(new Map(listed.map((record) => [record.id, record])), expected)
  assert.equal(new Set(listed.map(({ author }) => author)).size, 2)
  assert.deepEqual(new Set(listed.map(({ author }) => author)), new Set([node.peerId, other.peerId]))
})

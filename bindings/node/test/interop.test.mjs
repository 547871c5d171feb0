// With what people who use Node have: events.on, streams of both kinds, rxjs.
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { on, once } from 'node:events'
import { Readable, Writable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { test } from 'node:test'

import { EventStream, Node, PeergraphError, loopback } from 'peergraph'
import { firstValueFrom, from, fromEvent, map, take, toArray } from 'rxjs'

import { eventually, joined, nodeFor, soon } from './support.mjs'

const graphFor = async (t) => (await nodeFor(t)).createGraph('interop')

test('events.on ends with its signal, and events.once takes one', async (t) => {
  const graph = await graphFor(t)
  const controller = new AbortController()
  const seen = []
  const reading = async () => {
    for await (const [event] of on(graph, 'record_changed', { signal: controller.signal })) {
      seen.push(event.record.text)
      if (seen.length === 3) controller.abort()
    }
  }
  const rejected = assert.rejects(reading, { name: 'AbortError' })
  for (let n = 0; n < 3; n++) await graph.publish('t', `${n}`)
  await rejected
  assert.deepEqual(seen, ['0', '1', '2'])
  assert.equal(graph.listenerCount('record_changed'), 0)
  const one = once(graph, 'record_changed')
  await graph.publish('t', 'one')
  assert.equal((await one)[0].record.text, 'one')
  await assert.rejects(once(graph, 'record_changed', { signal: AbortSignal.timeout(5) }), { name: 'AbortError' })
})

test('rxjs: fromEvent of a graph, from of a stream', async (t) => {
  const graph = await graphFor(t)
  const listened = firstValueFrom(fromEvent(graph, 'record_changed').pipe(map((event) => event.record.text), take(3), toArray()))
  const events = graph.events('record_changed')
  const iterated = firstValueFrom(from(events).pipe(map((event) => event.record.text), take(3), toArray()))
  for (let n = 0; n < 4; n++) await graph.publish('t', `${n}`)
  assert.deepEqual(await listened, ['0', '1', '2'])
  assert.deepEqual(await iterated, ['0', '1', '2'])
  await eventually('rxjs left the emitter', () => graph.listenerCount('record_changed') === 0)
  events.close()
})

test('streams of events go through pipeline, and Web streams', async (t) => {
  const graph = await graphFor(t)
  const events = graph.events('record_changed')
  for (let n = 0; n < 5; n++) await graph.publish('t', `${n}`)
  const seen = []
  await pipeline(
    events,
    async function* (source) {
      for await (const event of source) {
        yield event.record.text
        if (event.record.text === '4') return
      }
    },
    new Writable({ objectMode: true, write: (text, _, done) => (seen.push(text), done()) }),
  )
  assert.deepEqual(seen, ['0', '1', '2', '3', '4'])
  assert(events.finished)
  const web = graph.events('record_changed').readableStream()
  await graph.publish('t', 'web')
  const reader = web.getReader()
  assert.equal((await reader.read()).value.record.text, 'web')
  await reader.cancel()
  const readable = Readable.from(graph.events('record_changed'))
  await graph.publish('t', 'readable')
  assert.equal((await once(readable, 'data'))[0].record.text, 'readable')
  readable.destroy()
})

test('a megabyte goes through a direct connection by pipeline, both ways', async (t) => {
  const [node, other] = [await nodeFor(t), await nodeFor(t)]
  const group = await node.createGroup('pipes')
  const far = await joined(group, other)
  const coming = far.events('direct_connection')
  const near = await group.openDirect({ peer: other.peerId })
  const { connection } = await soon(coming)
  const there = await far.directConnection(connection)
  const [here, echo] = [near.duplex('part'), there.duplex('part')]
  const sent = randomBytes(2 ** 20)
  const echoing = pipeline(echo, echo)
  const got = []
  await Promise.all([
    pipeline(Readable.from([sent.subarray(0, 1000), sent.subarray(1000, 70_000), sent.subarray(70_000)]), here, { end: true }),
    (async () => {
      for await (const part of here) got.push(part)
    })(),
    echoing,
  ])
  assert(Buffer.concat(got).equals(sent))
  // A stream whose connection goes down fails, since nobody said that it ended; writing to it fails, too.
  const late = near.duplex('late')
  const ended = assert.rejects(
    async () => {
      for await (const part of late) assert.fail(`${part}`)
    },
    { code: 'ERR_STREAM_PREMATURE_CLOSE' },
  )
  await there.close()
  await ended
  const gone = near.duplex('gone')
  gone.write('x')
  const [error] = await once(gone, 'error')
  assert(error instanceof PeergraphError, error)
})

test('await using, where the language has it: what it calls', async () => {
  const node = await Node.start(loopback())
  const graph = await node.createGraph('disposed')
  const events = graph.events()
  assert(events instanceof EventStream)
  for (const each of [events, graph, node]) await each[Symbol.asyncDispose]()
  assert(events.finished)
  await assert.rejects(graph.status(), { kind: 'Closed' })
  await assert.rejects(node.createGraph('x'), { kind: 'Closed' })
})

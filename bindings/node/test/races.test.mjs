// The races that found faults in bindings before: nothing lost, nothing stuck, nothing leaked. 25 times each.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { before, after, test } from 'node:test'
import { setImmediate as turn, setTimeout as sleep } from 'node:timers/promises'

import { Node, loopback } from 'peergraph'

import { PATIENCE, eventually, soon } from './support.mjs'

const REPEATS = 25
let node
before(async () => {
  node = await Node.start(loopback())
})
after(() => node.shutdown())

/** The same test so many times. */
function race(name, doing) {
  test(name, async () => {
    for (let n = 0; n < REPEATS; n++) {
      const graph = await node.createGraph('race')
      await doing(graph, n)
      await graph.close()
    }
  })
}

async function publish(graph, count) {
  for (let number = 0; number < count; number++) {
    await graph.publish('test.tick', `${number}`)
    if (number % 7 === 0) await sleep(Math.random() * 2)
  }
}

const texts = (count) => Array.from({ length: count }, (_, number) => `${number}`)

race('e23 timeouts and aborts lose no event', async (graph) => {
  const events = graph.events('record_changed', { recordTypes: 'test.tick' })
  const producer = publish(graph, 60)
  const seen = []
  let aborted = 0
  while (seen.length < 60) {
    const controller = new AbortController()
    const abort = () => controller.abort('late')
    if (Math.random() < 0.5) setImmediate(abort)
    else setTimeout(abort, 1)
    try {
      seen.push((await events.next({ signal: controller.signal })).value.record.text)
    } catch (reason) {
      assert.equal(reason, 'late')
      assert(++aborted < 1_000_000)
    }
  }
  await producer
  assert.deepEqual(seen, texts(60))
})

race('e23 several who wait get one event each, in order', async (graph) => {
  const events = graph.events('record_changed', { recordTypes: 'test.tick' })
  const waiting = Array.from({ length: 40 }, () => events.next())
  await publish(graph, 40)
  const seen = (await Promise.all(waiting)).map(({ value }) => value.record.text)
  assert.deepEqual(seen, texts(40))
})

test('p5 k28 of several readers of one stream each event goes to exactly one', async () => {
  const graph = await node.createGraph('readers')
  const events = graph.events('record_changed', { recordTypes: 'test.tick' })
  const count = 2000
  const seen = [[], [], []]
  const readers = [
    async () => {
      while (seen.flat().length < count) seen[0].push((await events.next()).value.record.text)
    },
    async () => {
      for await (const event of events) seen[1].push(event.record.text)
    },
    async () => {
      for (let batch = await events.batch(7); batch.length > 0; batch = await events.batch(7)) seen[2].push(...batch.map(({ record }) => record.text))
    },
  ].map((read) => read().catch((error) => error))
  for (let n = 0; n < count; n += 50) await Promise.all(Array.from({ length: 50 }, (_, m) => graph.publish('test.tick', `${n + m}`)))
  await eventually('all are read', () => seen.flat().length >= count)
  events.close()
  await Promise.all(readers)
  assert.deepEqual(seen.flat().sort((a, b) => a - b), texts(count))
  await graph.close()
})

race('e23 an aborted reader ends at once', async (graph) => {
  const controller = new AbortController()
  const events = graph.events('record_changed', { signal: controller.signal })
  const reading = events.next()
  await turn()
  const begun = performance.now()
  controller.abort()
  await assert.rejects(reading, { name: 'AbortError' })
  assert(performance.now() - begun < 1000)
  assert.deepEqual(await events.next(), { value: undefined, done: true })
})

race('an aborted call ends at once, and really', async (graph) => {
  const other = await Node.start(loopback())
  const target = { node: other.id, addrs: ['127.0.0.1:1'] }
  await other.shutdown()
  const failed = graph.events('neighbor_connection')
  // The connect itself is over, not only the promise; one that is aborted before it began leaves no trace.
  for (let wait = 1, over = null; over === null; wait *= 2) {
    assert(wait < PATIENCE)
    const controller = new AbortController()
    const connecting = graph.connect(target, { signal: controller.signal })
    await sleep(wait)
    const begun = performance.now()
    controller.abort(new Error('enough'))
    await assert.rejects(connecting, { message: 'enough' })
    assert(performance.now() - begun < 1000)
    over = await failed.next({ signal: AbortSignal.timeout(100 * wait) }).catch(() => null)
    assert(over === null || over.value.reason === 'cancelled')
  }
})

race('e6 leaving the loop closes the stream', async (graph) => {
  const events = graph.events('record_changed')
  await graph.publish('test.tick', '1')
  for await (const event of events) {
    assert.equal(event.type, 'record_changed')
    break
  }
  await graph.publish('test.tick', '2')
  assert.equal(events.tryNext(), null)
  assert.deepEqual(await events.next(), { value: undefined, done: true })
  assert(events.finished)
})

race('x4 an abandoned stream is collected', async (graph) => {
  const controller = new AbortController()
  const abandon = async () => {
    const events = graph.events('record_changed', { signal: controller.signal })
    await assert.rejects(events.next({ signal: AbortSignal.timeout(1) }))
    return new WeakRef(events)
  }
  const alive = await Promise.all([abandon(), abandon(), abandon(), abandon()])
  await eventually('collected', () => {
    globalThis.gc()
    return alive.every((reference) => reference.deref() === undefined)
  })
})

test('a node lives as long as a stream of it is used', async () => {
  const abandon = async () => {
    const own = await Node.start(loopback())
    const graph = await own.createGraph('kept')
    return [new WeakRef(own), graph.events('record_changed')]
  }
  const [reference, events] = await abandon()
  await eventually('collected', () => {
    globalThis.gc()
    return reference.deref() === undefined
  })
  // A node that is dropped ends its streams at once; this one is not over.
  await assert.rejects(events.next({ signal: AbortSignal.timeout(200) }), { name: 'TimeoutError' })
  assert(!events.finished)
  events.close()
})

race('e5 a waiter that nobody holds still wakes', async (graph) => {
  const seen = []
  const orphan = (async () => seen.push(await soon(graph.events('record_changed'))))()
  const kept = new WeakRef(orphan)
  await turn()
  globalThis.gc()
  await graph.publish('test.tick', 'wake')
  await eventually(`woken: ${kept.deref()}`, () => {
    globalThis.gc()
    return seen.length === 1
  })
  assert.equal(seen[0].record.text, 'wake')
})

race('e23 listeners hear all in order, and one that is removed no more', async (graph) => {
  const seen = []
  const listener = (event) => seen.push(event.record.text)
  graph.on('record_changed', listener)
  const producer = publish(graph, 30)
  const [first] = await once(graph, 'record_changed', { signal: AbortSignal.timeout(PATIENCE) })
  assert.equal(first.type, 'record_changed')
  await producer
  await eventually('all', () => seen.length === 30)
  assert.deepEqual(seen, texts(30))
  graph.off('record_changed', listener)
  await graph.publish('test.tick', 'unheard')
  await turn()
  assert.equal(seen.length, 30)
})

test('a reader who is always served lets timers have their turn', async () => {
  const graph = await node.createGraph('turns')
  const records = Array.from({ length: 300 }, (_, n) => graph.publish('t', `${n}`))
  await Promise.all(records)
  let [ticks, read] = [0, 0]
  const ticking = setInterval(() => ticks++, 1)
  const begun = performance.now()
  while (read < 60_000 && performance.now() - begun < PATIENCE) {
    const events = graph.events('record_changed', { recordTypes: 't', snapshot: true })
    for await (const event of events) {
      if (event.type === 'caught_up') break
      read++
    }
  }
  clearInterval(ticking)
  assert(read >= 60_000)
  assert(ticks >= 3, `${ticks} ticks`)
  await graph.close()
})

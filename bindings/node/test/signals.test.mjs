// A signal ends every wait: for the library, and for what the application itself gives piece by piece.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { Readable } from 'node:stream'
import { test } from 'node:test'

import * as p from 'peergraph'
import { eventually, folderFor, nodeFor } from './support.mjs'

/** Must fail with the reason of the signal, and soon. */
async function aborts(calling, controller, reason) {
  const promise = calling(controller.signal)
  const settled = promise.then(
    () => assert.fail('it went on'),
    (error) => assert.equal(error, reason),
  )
  setImmediate(() => controller.abort(reason))
  await settled
}

/** Sources that give one piece and then nothing for ever, and whether they were stopped. */
const STALLED = {
  'async generator'() {
    let wake
    const source = { stopped: false, release: () => wake?.() }
    source.body = (async function* () {
      try {
        yield 'a piece'
        await new Promise((resolve) => {
          wake = resolve
        })
      } finally {
        source.stopped = true
      }
    })()
    // It stops where it is next awake: nothing else can stop one.
    source.asked = () => wake !== undefined
    return source
  },
  'iterator of its own'() {
    const source = { stopped: false, asked: () => source.waiting === true }
    source.body = {
      [Symbol.asyncIterator]: () => ({
        next: () => {
          source.waiting = true
          return new Promise(() => {})
        },
        return: async () => ({ done: (source.stopped = true) }),
      }),
    }
    return source
  },
  'Web stream'() {
    const source = { stopped: false, asked: () => true }
    source.body = new ReadableStream({
      start: (controller) => controller.enqueue(Buffer.from('a piece')),
      pull: () => new Promise(() => {}),
      cancel: () => void (source.stopped = true),
    })
    return source
  },
  Response() {
    const source = STALLED['Web stream']()
    source.body = new Response(source.body)
    return source
  },
  'Node stream'() {
    const body = new Readable({ read() {} })
    body.push('a piece')
    return {
      body,
      asked: () => true,
      get stopped() {
        return body.destroyed
      },
    }
  },
}

for (const [kind, stalled] of Object.entries(STALLED)) {
  test(`n12 a signal ends the reading of a body and stops its source: ${kind}`, async (t) => {
    const graph = await (await nodeFor(t)).createGraph('n12')
    const record = await graph.publish('t', 'before')
    const calls = [
      (body, signal) => graph.publish('t', body, { signal }),
      (body, signal) => graph.update(record, { body, signal }),
    ]
    for (const call of calls) {
      for (const reason of [new Error('enough'), 'a text', undefined]) {
        const source = stalled()
        const controller = new AbortController()
        const promise = call(source.body, controller.signal)
        const settled = promise.then(
          () => 'it went on',
          (error) => error,
        )
        await eventually('it is read', source.asked)
        controller.abort(reason)
        assert.equal(await settled, controller.signal.reason)
        source.release?.()
        await eventually('it is stopped', () => source.stopped)
      }
      // A signal that is aborted already: nothing is read.
      const source = stalled()
      await assert.rejects(call(source.body, AbortSignal.abort('before')), (error) => error === 'before')
      source.release?.()
      if (kind !== 'async generator') await eventually('it is stopped', () => source.stopped)
    }
    const listed = await graph.records()
    assert.deepEqual(listed.map(({ text }) => text), ['before'])
  })
}

test('n12 a timeout ends the reading of a body that never comes', async (t) => {
  const graph = await (await nodeFor(t)).createGraph('n12')
  const never = { arrayBuffer: () => new Promise(() => {}), size: 5 }
  for (const body of [never, new ReadableStream(), new Readable({ read() {} })]) {
    await assert.rejects(graph.publish('t', body, { signal: AbortSignal.timeout(20) }), { name: 'TimeoutError' })
  }
})

test('n12 a signal ends the wait for the stop of what gave too much', async (t) => {
  const graph = await (await nodeFor(t)).createGraph('n12', { maxRecord: 1024 })
  const controller = new AbortController()
  const asked = Promise.withResolvers?.() ?? deferred()
  const body = {
    [Symbol.asyncIterator]: () => ({
      next: async () => ({ value: Buffer.alloc(4096), done: false }),
      return: () => {
        asked.resolve()
        return new Promise(() => {})
      },
    }),
  }
  const settled = assert.rejects(graph.publish('t', body, { signal: controller.signal }), p.TooLargeError)
  await asked.promise
  controller.abort()
  await settled
})

test('n12 a source that fails, and one that fails after the signal, are heard once', async (t) => {
  const graph = await (await nodeFor(t)).createGraph('n12')
  const wrong = new Error('of the source')
  async function* failing() {
    yield 'a piece'
    throw wrong
  }
  await assert.rejects(graph.publish('t', failing(), { signal: new AbortController().signal }), (error) => error === wrong)
  let fail
  async function* late() {
    await new Promise((_, reject) => {
      fail = reject
    })
    yield 'never'
  }
  const controller = new AbortController()
  const settled = assert.rejects(graph.publish('t', late(), { signal: controller.signal }), { name: 'AbortError' })
  await eventually('it is read', () => fail !== undefined)
  controller.abort()
  await settled
  // Nobody waits for it any more; as an unhandled rejection it would fail this test.
  fail(wrong)
  await new Promise(setImmediate)
  // And a signal that nobody uses any more has no listener of ours.
  const signal = counting()
  await graph.publish('t', Readable.from(['a', 'b']), { signal })
  await assert.rejects(graph.publish('t', failing(), { signal }), (error) => error === wrong)
  assert.equal(signal.listeners, 0)
})

test('n12 a signal ends the wait for the source of a key', async (t) => {
  const dataDir = folderFor(t)
  let asked = 0
  const config = {
    ...p.loopback(dataDir),
    keySource: () => {
      asked++
      return new Promise(() => {})
    },
  }
  await aborts((signal) => p.Node.start(config, { signal }), new AbortController(), new Error('enough'))
  await assert.rejects(p.Node.start(config, { signal: AbortSignal.abort('before') }), (error) => error === 'before')
  assert.equal(asked, 1)
  // Nothing began: the folder is free.
  const node = await p.Node.start({ ...config, keySource: async () => Buffer.alloc(32, 1) })
  await node.shutdown()
})

test('n12 a signal that comes after the body has its usual effect', async (t) => {
  const graph = await (await nodeFor(t)).createGraph('n12')
  const controller = new AbortController()
  const events = graph.events('record_changed')
  const published = await graph.publish('t', new Blob(['whole']).stream(), { signal: controller.signal })
  controller.abort()
  assert.equal(published.text, 'whole')
  assert.equal((await events.next()).value.record.text, 'whole')
  events.close()
})

function counting() {
  const { signal } = new AbortController()
  let listeners = 0
  const [add, remove] = [signal.addEventListener.bind(signal), signal.removeEventListener.bind(signal)]
  signal.addEventListener = (...args) => (listeners++, add(...args))
  signal.removeEventListener = (...args) => (listeners--, remove(...args))
  return Object.defineProperty(signal, 'listeners', { get: () => listeners })
}

function deferred() {
  const made = {}
  made.promise = new Promise((resolve, reject) => {
    Object.assign(made, { resolve, reject })
  })
  return made
}

// The signal of `once` is Node's; a graph is an emitter like any other.
test('n12 waiting for an event of a graph ends with the signal', async (t) => {
  const graph = await (await nodeFor(t)).createGraph('n12')
  await aborts((signal) => once(graph, 'record_changed', { signal }).catch((error) => Promise.reject(error.cause)), new AbortController(), new Error('enough'))
})

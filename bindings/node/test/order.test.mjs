// Calls that are made one after another take effect in that order, without waiting for each.
import assert from 'node:assert/strict'
import { join } from 'node:path'
import { test } from 'node:test'

import * as p from 'peergraph'

import { folderFor, joined, nodeFor, soon } from './support.mjs'

const numbers = (count) => Array.from({ length: count }, (_, n) => `${n}`)

test('n3 a hundred publishes are stored and told in the order of the calls', async (t) => {
  const graph = await (await nodeFor(t)).createGraph('n3')
  const events = graph.events('record_changed')
  const made = await Promise.all(numbers(100).map((text) => graph.publish('t', text)))
  assert.deepEqual([...events.drain()].map(({ record }) => record.text), numbers(100))
  assert.deepEqual((await graph.records()).map(({ text }) => text), numbers(100))
  assert(made.every(({ created }, n) => n === 0 || created >= made[n - 1].created))
})

test('n3 updates of one record follow each other', async (t) => {
  const graph = await (await nodeFor(t)).createGraph('n3')
  for (let n = 0; n < 20; n++) {
    const record = await graph.publish('t', 'old')
    const [first, second, third, version] = await Promise.all([
      graph.update(record, { body: 'new' }),
      graph.update(record, { attributes: { n } }),
      graph.get(record),
      graph.delete(record),
    ])
    assert.deepEqual([first.version, first.text, first.attributes], [2, 'new', {}])
    assert.deepEqual([second.version, second.text, second.attributes], [3, 'new', { n }])
    assert.equal(version, 4)
    // A read sees at least what was called before it.
    assert(third === null || third.version === 3)
  }
})

test('n3 a read sees what was called before it', async (t) => {
  const graph = await (await nodeFor(t)).createGraph('n3')
  for (let n = 0; n < 20; n++) {
    const publishing = graph.publish(`t${n}`, 'x')
    const listing = graph.records(`t${n}`).toArray()
    const [made, listed] = await Promise.all([publishing, listing])
    assert.deepEqual(listed, [made])
  }
  graph.setProperties({ name: 'one' })
  graph.setProperties({ comment: 'two' })
  const { name, comment } = await graph.properties()
  assert.deepEqual([name, comment], ['one', 'two'])
  assert.deepEqual(await graph.properties(), { name, comment, presenceLifetime: 300_000, presenceMax: null, deferExpiration: false })
})

test('n3 two hundred sends arrive in the order of the calls', async (t) => {
  const [node, other] = [await nodeFor(t), await nodeFor(t)]
  const group = await node.createGroup('n3')
  const far = await joined(group, other)
  const events = far.events('incoming_data', 'direct_connection')
  const connection = await group.openDirect({ peer: other.peerId })
  const receipts = await Promise.all(numbers(200).map((text) => connection.send('part', text)))
  const got = []
  while (got.length < 200) {
    const event = await soon(events)
    if (event.type === 'incoming_data') got.push(event.data.toString())
  }
  assert.deepEqual(got, numbers(200))
  assert((await Promise.all(receipts.map((receipt) => receipt.delivered()))).every((taken) => taken))
  await Promise.all(numbers(50).map((text) => connection.send('more', text)).concat(connection.close()))
})

test('n3 a close carries out what was called before it', async (t) => {
  const folder = join(folderFor(t), 'data')
  for (const end of ['close', 'shutdown', 'dispose']) {
    const node = await p.Node.start(p.loopback(folder))
    const graph = await node.createGraph(end)
    const calls = numbers(50).map((text) => graph.publish('t', text))
    const ending = end === 'close' ? graph.close() : end === 'shutdown' ? node.shutdown() : node[Symbol.asyncDispose]()
    const late = assert.rejects(graph.publish('t', 'late'), p.ClosedError)
    const made = await Promise.all(calls)
    assert.deepEqual(made.map(({ text }) => text), numbers(50))
    await Promise.all([ending, late])
    await node.shutdown()
    const again = await p.Node.start(p.loopback(folder))
    const reopened = await again.openGraph(graph.id, { offline: true })
    assert.deepEqual((await reopened.records()).map(({ text }) => text), numbers(50))
    await again.shutdown()
  }
})

test('n3 what is made before a shutdown is made', async (t) => {
  const node = await p.Node.start(p.loopback(join(folderFor(t), 'data')))
  const making = node.createGroup('before')
  const ending = node.shutdown()
  const late = assert.rejects(node.createGroup('late'), p.ClosedError)
  assert.match((await making).id, /^[0-9a-f]{64}$/)
  await Promise.all([ending, late])
})

test('n3 an aborted call disturbs those after it in nothing', async (t) => {
  const graph = await (await nodeFor(t)).createGraph('n3')
  const controllers = numbers(60).map(() => new AbortController())
  const calls = controllers.map(({ signal }, n) => graph.publish('t', `${n}`, { signal }))
  const settled = Promise.allSettled(calls)
  controllers.forEach((controller, n) => n % 3 === 0 && controller.abort('enough'))
  const outcomes = await settled
  assert(outcomes.every(({ status, reason }, n) => (n % 3 === 0 ? status === 'rejected' && reason === 'enough' : status === 'fulfilled')))
  const texts = (await graph.records()).map(({ text }) => Number(text))
  assert.deepEqual(texts, [...texts].sort((a, b) => a - b))
  assert.deepEqual(texts.filter((n) => n % 3 !== 0), numbers(60).map(Number).filter((n) => n % 3 !== 0))
})

test('c43 what is called after an import comes after it', async (t) => {
  const folder = folderFor(t)
  const node = await nodeFor(t)
  const graph = await node.createGraph('exported')
  await graph.listen()
  await Promise.all(numbers(600).map((text) => graph.publish('t', text)))
  const file = join(folder, 'backup')
  await graph.exportDatabase(file)
  for (const end of ['close', 'shutdown']) {
    const home = await p.Node.start(p.loopback(join(folder, end)))
    const copy = await home.openGraph(await graph.ticket(), { offline: true })
    const importing = copy.importDatabase(file, undefined, { exporter: node.peerId })
    const publishing = copy.publish('t', 'after')
    const listing = copy.records('t').toArray()
    const listening = copy.listen()
    const ending = end === 'close' ? copy.close() : home.shutdown()
    assert.equal((await listing).length, 601)
    const { refused } = await importing
    assert.equal(refused, 0)
    await Promise.all([publishing, listening, ending])
    await home.shutdown()
  }
})

test('c43 an open after a close opens anew, and a delete after a close deletes', async (t) => {
  const node = await p.Node.start(p.loopback(join(folderFor(t), 'data')))
  let group = await node.createGroup('again')
  for (let n = 0; n < 10; n++) {
    const closing = group.close()
    const opened = await node.openGroup(group.id)
    assert.equal((await opened.status()).listening, true)
    await closing
    group = opened
  }
  const [, , exported] = await Promise.all([group.close(), node.deleteGraph(group.id), (await node.identities.default()).export('open sesame')])
  assert.equal(typeof exported, 'string')
  await node.shutdown()
})

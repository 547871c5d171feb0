// Findings of the core and of other languages, as they show here: `c` of the core, `k` of Kotlin and Swift.
import assert from 'node:assert/strict'
import { join } from 'node:path'
import { test } from 'node:test'

import * as p from 'peergraph'
import { eventually, folderFor, isForeign, nodeFor, soon } from './support.mjs'

test('k7 a group that nobody has is closed and opens again', async (t) => {
  const node = await nodeFor(t, { dataDir: folderFor(t) })
  const isOpen = (count) => async () => {
    // What the event loop still holds is let go in between.
    await new Promise(setImmediate)
    global.gc()
    return node.openGraphs.length === count
  }
  const grouped = async () => {
    const group = await node.createGroup('dropped')
    const other = await node.openGroup(group.id)
    const events = other.events('record_changed')
    await other.publish('t', 'one')
    return [group.id, events]
  }
  const heard = async () => {
    const [id, events] = await grouped()
    for (let n = 0; n < 5; n++) {
      assert(await isOpen(1)(), 'a stream keeps it open')
      await node.networkChanged()
    }
    assert.equal((await soon(events)).record.text, 'one')
    return id
  }
  const id = await heard()
  await eventually('it is closed', isOpen(0))
  for (let n = 0; n < 3; n++) {
    const texts = (await (await node.openGroup(id)).records('t')).map(({ text }) => text)
    assert.deepEqual(texts, ['one'])
  }
  await eventually('it is closed again', isOpen(0))
  // Opening that is given up.
  for (let n = 0; n < 3; n++) {
    const controller = new AbortController()
    const opening = node.openGroup(id, { signal: controller.signal })
    controller.abort()
    await assert.rejects(opening, { name: 'AbortError' })
  }
  await eventually('none stays open', isOpen(0))
})

test('c48 messages name nothing of other languages', async (t) => {
  const dataDir = folderFor(t)
  const sealed = { ...p.loopback(dataDir), key: Buffer.alloc(32, 1) }
  await (await p.Node.start(sealed)).shutdown()
  const node = await nodeFor(t)
  const [graph, group] = [await node.createGraph('words'), await node.createGroup('words')]
  const note = await graph.publish('t', '')
  const calls = [
    () => p.Node.start(p.loopback(dataDir)),
    () => p.Node.start({ ...p.loopback(dataDir), passphrase: 'other' }),
    () => p.Node.start({ ...sealed, passphrase: 'x' }),
    () => p.Node.start({ ...sealed, key: Buffer.alloc(3) }),
    () => p.Node.start({ ...sealed, keySource: () => Buffer.alloc(32) }),
    () => p.Node.start({ ...p.loopback(), bind: ['nowhere'] }),
    () => p.Node.start({ ...p.loopback(), network: 'nowhere' }),
    () => p.Node.start({ ...p.loopback(), durability: 'nowhere' }),
    () => p.Node.start({ ...p.loopback(), version: 'x' }),
    () => graph.publish('bad type', ''),
    () => graph.publish('peergraph.x', ''),
    () => graph.publish('t', '', { attributes: { 'a b': 1 } }),
    () => graph.publish('t', '', { attributes: { a: NaN } }),
    () => graph.publish('t', Buffer.alloc(2 ** 20 + 1)),
    () => graph.publish('t', '', { expires: new Date(1) }),
    () => graph.update(note, { body: '', expectedVersion: 9 }),
    () => graph.update('0'.repeat(32), { body: '' }),
    () => graph.get('12'),
    () => graph.events('record_changed', { recordTypes: 'a/b' }),
    () => graph.events({ after: Buffer.alloc(3) }),
    () => graph.saveCursor('x', Buffer.alloc(3)),
    () => graph.loadCursor('x'.repeat(65)),
    () => graph.setProperties({ presenceLifetime: 5 }),
    () => graph.setProperties({ name: 'x'.repeat(9999) }),
    () => graph.disconnect(7),
    () => graph.nodes('12'),
    () => graph.connect(node.addr),
    () => graph.importDatabase(join(dataDir, 'none')),
    () => node.join('hello'),
    () => node.joinGroup('hello', { name: 'Ben' }),
    () => node.openGraph('0'.repeat(64)),
    () => node.deleteGraph(graph.id),
    () => node.createGraph('seed', { seed: Buffer.alloc(3) }),
    () => node.createGraph('large', { maxRecord: 1 }),
    () => node.createGroup('rules', { rules: { maxChain: 99 } }),
    () => node.createGroup('rules', { rules: { types: [{ recordType: 'peergraph.x', publish: 'owner', edit: 'owner' }] } }),
    () => node.createGroup('rules', { rules: { properties: 'king' } }),
    () => group.invite({ uses: 0 }),
    () => group.invite({ role: 'king' }),
    () => group.setPassword('x'),
    () => group.setRole(node.peerId, 'member'),
    () => group.remove(node.peerId),
    () => node.importMembership('hello', 'password'),
    () => node.identities.importIdentity('hello', 'password'),
    () => node.identities.create('x'.repeat(999)),
  ]
  const told = []
  for (const call of calls) {
    try {
      await call()
      told.push(`not refused: ${call}`)
    } catch (error) {
      told.push(error.message)
    }
  }
  assert.deepEqual(told.filter(isForeign), [])
  assert.deepEqual(told.filter((message) => message.startsWith('not refused')), [])
  // Nor a moment as the core counts them.
  assert.deepEqual(told.filter((message) => /\d\.\d{3}s/.test(message)), [])
  assert(isForeign('give it with NodeConfig::keys') && isForeign('max_record') && !isForeign('the "a_b" of /tmp/a_b'))
})

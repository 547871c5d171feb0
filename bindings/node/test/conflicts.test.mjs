// Conflicts can be read after a restart, by cursor and by a call, until they are acknowledged.
import assert from 'node:assert/strict'
import { join } from 'node:path'
import { test } from 'node:test'

import * as p from 'peergraph'

import { eventually, fails, folderFor, joined, nodeFor, soon } from './support.mjs'

/** A node that was edited apart from another one's edit of the same record; and who lost. */
async function conflicting(t, deletes = false) {
  const folder = join(folderFor(t), 'data')
  const host = await nodeFor(t)
  let phone = await p.Node.start(p.loopback(folder))
  const group = await host.createGroup('conflicts')
  const far = await joined(group, phone)
  const note = await far.publish('note', 'first')
  await eventually('both have it', async () => (await group.get(note)) !== null)
  await phone.shutdown()
  phone = await p.Node.start(p.loopback(folder))
  const apart = await phone.openGroup(group.id, { offline: true })
  if (deletes) await apart.delete(note)
  else await apart.update(note, { body: 'apart' })
  await group.update(note, { body: 'here' })
  return { folder, group, note, phone, apart }
}

test('c42 conflicts are read after a restart, by cursor and by a call, until acknowledged', async (t) => {
  const { folder, group, note, phone, apart } = await conflicting(t)
  const cursor = group.events('record_changed').cursor
  await apart.close()
  const online = await phone.openGroup(group.id)
  await eventually('both know', async () => (await group.conflicts()).length === 1 && (await online.conflicts()).length === 1)
  const [conflict] = await online.conflicts(note)
  assert.deepEqual(new Set([conflict.winner.text, conflict.loser.text]), new Set(['here', 'apart']))
  assert.equal(conflict.winner.id, note.id)
  assert(Math.abs(conflict.noticed - Date.now()) < 3_600_000)
  assert.deepEqual(conflict.winner, await online.get(note))
  assert.deepEqual(await online.conflicts(await group.publish('note', 'other')), [])
  const events = group.events('record_changed', { after: cursor })
  let told
  while (told === undefined) {
    const event = await soon(events)
    assert.notEqual(event.type, 'caught_up', 'the conflict is in what the cursor reads')
    if (event.type === 'record_changed' && event.conflict !== null) told = event.conflict
  }
  assert.equal(told.text, conflict.loser.text)
  await phone.shutdown()
  const again = await nodeFor(t, p.loopback(folder))
  const back = await again.openGroup(group.id, { offline: true })
  const [kept] = await back.conflicts(undefined, { pageSize: 1 }).toArray()
  assert.deepEqual([kept.loser, kept.winner], [conflict.loser, conflict.winner])
  await fails(() => back.acknowledgeConflict(kept), TypeError)
  await fails(() => back.acknowledgeConflict({ ...kept.loser }), TypeError)
  assert.equal(await back.acknowledgeConflict(kept.loser), true)
  assert.equal(await back.acknowledgeConflict(kept.loser), false)
  assert.deepEqual(await back.conflicts(), [])
  assert.equal(await group.acknowledgeConflict(told), true, 'as the event gave it')
})

test('c40 a delete wins over an edit that had not seen it, which is told as the loser', async (t) => {
  const { group, note, phone, apart } = await conflicting(t, true)
  await apart.close()
  const online = await phone.openGroup(group.id)
  await eventually('deleted here, too', async () => (await group.get(note)) === null)
  await eventually('the edit is the loser', async () => (await online.conflicts(note)).length === 1)
  const [{ winner, loser }] = await group.conflicts()
  assert.deepEqual([winner.deleted, loser.text], [true, 'here'])
  await phone.shutdown()
})

test('c6 k21 pages are bounded, counted when asked; moments before 1970 are kept', async (t) => {
  const graph = await (await nodeFor(t)).createGraph('pages')
  const born = new Date('1965-04-04T00:00:00.123Z')
  const record = await graph.publish('note', '', { attributes: { born, first: new Date(-62_135_596_800_000), several: [born, new Date(-1)] } })
  assert.deepEqual((await graph.get(record)).attributes, { born, first: new Date(-62_135_596_800_000), several: [born, new Date(-1)] })
  for (const beyond of [new Date(8.64e15), new Date(-8.64e15)]) {
    await assert.rejects(graph.publish('note', '', { attributes: { born: beyond } }), (error) => error instanceof p.InvalidArgumentError && /born/.test(error.message))
  }
  const large = Buffer.alloc(1_000_000, 7)
  for (let n = 0; n < 12; n++) await graph.publish('large', large)
  const sizes = []
  for await (const page of graph.records('large').pages()) sizes.push(page.length)
  assert(Math.max(...sizes) <= 5 && sizes.reduce((sum, size) => sum + size) === 12, `${sizes}`)
  assert.equal(await graph.records('large').count(), 12)
})

test('k9 a batch of events is bounded in bytes', async (t) => {
  const graph = await (await nodeFor(t)).createGraph('k9')
  for (let n = 0; n < 20; n++) await graph.publish('large', Buffer.alloc(1_000_000, n))
  const events = graph.events('record_changed', { snapshot: true })
  const sizes = []
  for (let count = 0; count < 20; count += sizes.at(-1)) sizes.push((await events.batch()).length)
  assert(Math.max(...sizes) <= 10, `${sizes}`)
  await fails(() => events.batch(0), p.InvalidArgumentError)
  await fails(() => events.batch('5'), TypeError)
})

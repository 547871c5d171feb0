// The daily path: start, come back after a restart, join with progress, and what a person is told when something fails.
import assert from 'node:assert/strict'
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { chmodSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'

import * as p from 'peergraph'

import { eventually, fails, folderFor, joined, nodeFor } from './support.mjs'

test('c34 who comes back is online at once, and finds the others by itself', async (t) => {
  const folder = folderFor(t)
  const host = await nodeFor(t)
  const group = await host.createGroup('back')
  const first = await p.Node.open(join(folder, 'data'))
  await first.shutdown()
  let phone = await p.Node.start(p.loopback(join(folder, 'data')))
  await joined(group, phone)
  await phone.shutdown()
  await group.publish('note', 'meanwhile')
  phone = await nodeFor(t, p.loopback(join(folder, 'data')))
  const [id] = phone.storedGroups
  const back = await phone.openGroup(id)
  assert.equal((await back.status()).listening, true)
  await eventually('it has what came meanwhile', async () => (await back.records('note')).length === 1)
})

test('c34 nobody needs to be there, and offline is without traffic', async (t) => {
  const folder = folderFor(t)
  const [host, phone] = [await p.Node.start(p.loopback()), await p.Node.start(p.loopback(join(folder, 'data')))]
  const group = await host.createGroup('alone')
  const far = await joined(group, phone)
  const { id } = far
  const plain = await phone.createGraph('plain')
  await phone.shutdown()
  await host.shutdown()
  const again = await nodeFor(t, p.loopback(join(folder, 'data')))
  const back = await again.openGroup(id, { precedence: ['note'] })
  await back.publish('note', 'alone')
  assert.deepEqual([(await back.status()).listening, (await back.status()).hasConnections], [true, false])
  await back.close()
  const quiet = await again.openGroup(id, { offline: true })
  assert.equal((await quiet.status()).listening, false)
  assert.deepEqual([(await (await again.openGraph(plain.id)).status()).listening, again.openGraphs.length], [true, 2])
})

test('c7 joining tells how far the database is', async (t) => {
  const [host, second, third] = [await nodeFor(t), await nodeFor(t), await nodeFor(t)]
  const group = await host.createGroup('large')
  await Promise.all(Array.from({ length: 400 }, (_, n) => group.publish('note', `${n}`.padEnd(1000))))
  const told = []
  const far = await second.joinGroup(await group.invite(), { onProgress: (progress) => told.push(progress) })
  assert((await far.records('note')).length === 400)
  const last = told.at(-1)
  assert(last.records >= 400 && last.records === last.recordsExpected, JSON.stringify(last))
  assert(last.bytes > 400_000 && last.bytes === last.bytesExpected, JSON.stringify(last))
  assert(told.every(({ records }, n) => n === 0 || records >= told[n - 1].records))
  assert.equal(await far.syncProgress(), null)
  // The same as events, of a plain graph.
  const graph = await host.createGraph('plain')
  await Promise.all(Array.from({ length: 100 }, (_, n) => graph.publish('note', `${n}`)))
  await graph.listen()
  const opened = await third.openGraph(await graph.ticket())
  const events = []
  opened.on('sync_progress', (event) => events.push(event))
  const synchronized = once(opened, 'synchronized')
  await opened.enter(await graph.ticket())
  await synchronized
  await eventually('the end is told', () => events.some(({ records, recordsExpected }) => records > 0 && records === recordsExpected))
  assert.deepEqual(Object.keys(events[0]).sort(), ['bytes', 'bytesExpected', 'records', 'recordsExpected', 'type'])
  const joinedGraph = []
  const fourth = await nodeFor(t)
  await fourth.join(await graph.ticket(), { onProgress: (progress) => joinedGraph.push(progress.records), deadline: 30_000 })
  assert(joinedGraph.at(-1) >= 100)
  await assert.rejects(fourth.join(await graph.ticket(), { onprogress: () => {} }), /onProgress/)
})

test('c10 the status says how wrong the clock is, records whether they are held', async (t) => {
  const graph = await (await nodeFor(t)).createGraph('clock')
  assert.equal((await graph.status()).clockSkewMs, null)
  assert.equal((await graph.publish('note', 'x')).held, false)
})

const unprivileged = process.getuid?.() !== 0 && process.platform !== 'win32'

test('c28 errors of the system say what, where and why', async (t) => {
  const folder = folderFor(t)
  writeFileSync(join(folder, 'file'), '')
  await assert.rejects(p.Node.open(join(folder, 'file', 'data')), (error) => {
    assert(error instanceof p.StorageError, error)
    assert.equal(error.path, join(folder, 'file', 'data'))
    assert.equal(error.cause.code, 'ENOTDIR')
    assert.equal(error.errno, error.cause.errno)
    assert(error.message.includes(error.path))
    return true
  })
  const socket = createSocket('udp4').bind(0, '127.0.0.1')
  await once(socket, 'listening')
  const address = `127.0.0.1:${socket.address().port}`
  await assert.rejects(p.Node.start({ ...p.loopback(), bind: [address] }), (error) => {
    assert(error instanceof p.NetworkError, error)
    assert.deepEqual([error.address, error.cause.code], [address, 'EADDRINUSE'])
    return true
  })
  socket.close()
  const node = await nodeFor(t)
  const graph = await node.createGraph('files')
  await graph.exportDatabase(join(folder, 'exported'))
  await assert.rejects(graph.exportDatabase(join(folder, 'exported')), { kind: 'AlreadyExists', path: join(folder, 'exported') })
  await assert.rejects(graph.exportDatabase(join(folder, 'no', 'where')), (error) => error.cause.code === 'ENOENT')
  await fails(() => graph.get('xy'), p.InvalidIdError)
  const plain = await graph.get('xy').catch((error) => error)
  assert.deepEqual(['errno', 'path', 'address', 'cause'].filter((name) => name in plain), [])
})

test('c28 a folder that may not be read is named', { skip: !unprivileged }, async (t) => {
  const folder = join(folderFor(t), 'closed')
  mkdirSync(folder, { mode: 0o500 })
  await assert.rejects(p.Node.open(join(folder, 'data')), (error) => error.cause.code === 'EACCES' && error.path.startsWith(folder))
  chmodSync(folder, 0o700)
})

// How it says no: every error by its class, and wrong input of all kinds.
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { test } from 'node:test'

import * as p from 'peergraph'

import { fails, nodeFor } from './support.mjs'

const native = createRequire(import.meta.url)('../lib/native.js')

test('x1 every error of the library has its class, number and name', () => {
  const kinds = native.errorKinds()
  assert(kinds.length > 45)
  assert.deepEqual([...p.ERRORS].map(([code, { kind }]) => [code, kind]), kinds)
  for (const [code, Kind] of p.ERRORS) {
    const error = new Kind('text')
    assert(error instanceof p.PeergraphError && error instanceof Error)
    assert.deepEqual([error.code, error.name, Kind.name, error.message], [code, `${error.kind}Error`, `${error.kind}Error`, 'text'])
    assert.equal(p[Kind.name], Kind)
  }
})

test('what is exported has a type, and what has a type is exported', () => {
  const files = ['index', ...['connection', 'errors', 'events', 'graph', 'identities', 'records', 'values'].map((name) => `types/${name}`)]
  const typed = files.flatMap((file) => {
    const text = readFileSync(join(import.meta.dirname, '..', `${file}.d.ts`), 'utf8')
    return [...text.matchAll(/^export (?:class|function|const|abstract class) (\w+)/gm)].map(([, name]) => name)
  })
  const exported = Object.keys(p).filter((name) => name !== 'default')
  assert.deepEqual([...new Set(typed)].sort(), exported.sort())
  assert.deepEqual(Object.keys(p.default).sort(), exported.sort())
})

test('closed graphs and nodes say so', async () => {
  const node = await p.Node.start(p.loopback())
  const graph = await node.createGraph('closed')
  const events = graph.events()
  await graph.close()
  await assert.rejects(graph.publish('t', 'x'), { code: 40, kind: 'Closed', message: 'the node or graph has been closed' })
  assert.throws(() => graph.events(), p.ClosedError)
  for await (const event of events) assert.notEqual(event.type, 'record_changed')
  assert(events.finished)
  await node.shutdown()
  await node.shutdown()
  await fails(() => node.createGraph('late'), p.ClosedError)
})

const WRONG = [
  [(g) => g.publish('bad type', ''), p.InvalidArgumentError],
  [(g) => g.publish('peergraph.x', ''), p.ReservedError],
  [(g) => g.publish('t', '', { attributes: { 'a b': 1 } }), p.InvalidArgumentError],
  [(g) => g.publish('t', '', { attributes: { a: NaN } }), p.InvalidArgumentError],
  [(g) => g.publish('t', '', { attributes: { a: 'x'.repeat(3000) } }), p.TooLargeError],
  [(g) => g.publish('t', Buffer.alloc(2 ** 20 + 1)), p.TooLargeError],
  [(g) => g.publish('t', '', { expires: new Date(1) }), p.InvalidExpirationError],
  [(g) => g.publish('t', '', { expires: new Date(NaN) }), p.InvalidArgumentError],
  [(g) => g.publish('t', '', { expires: new Date(-1) }), p.InvalidArgumentError],
  [(g) => g.publish('t', '', { expires: 5 }), TypeError],
  [(g) => g.publish('t', 5), TypeError],
  [(g) => g.publish('t', null), TypeError],
  [(g) => g.publish(5, ''), TypeError],
  [(g) => g.publish(), TypeError],
  [(g) => g.publish('t', '', { attributes: { a: null } }), TypeError],
  [(g) => g.publish('t', '', { attributes: { a: {} } }), TypeError],
  [(g) => g.publish('t', '', { attributes: { a: [[1]] } }), TypeError],
  [(g) => g.publish('t', '', { attributes: [1] }), TypeError],
  [(g) => g.update('00', { body: '' }), p.InvalidIdError],
  [(g) => g.update(p.RecordId(new Uint8Array(16)), { body: '' }), p.NotFoundError],
  [(g) => g.update(p.RecordId(new Uint8Array(16)), { body: '', expectedVersion: 1.5 }), p.InvalidArgumentError],
  [(g) => g.delete(undefined), TypeError],
  [(g) => g.get('xy'), p.InvalidIdError],
  [(g) => g.records('bad type').count(), p.InvalidArgumentError],
  [(g) => g.records('t', { creator: 'me' }), p.InvalidIdError],
  [(g) => g.events('nonsense'), TypeError],
  [(g) => g.events({ snapshot: true, after: new Uint8Array(24) }), p.InvalidArgumentError],
  [(g) => g.events({ after: new Uint8Array(23) }), p.InvalidArgumentError],
  [(g) => g.events({ after: 'text' }), TypeError],
  [(g) => g.events({ recordTypes: 'bad type' }), p.InvalidArgumentError],
  [(g) => g.events({ capacity: -1 }), p.InvalidArgumentError],
  [(g) => g.events(5), TypeError],
  [(g) => g.saveCursor('', new Uint8Array(24)), p.InvalidArgumentError],
  [(g) => g.saveCursor('a', new Uint8Array(5)), p.InvalidArgumentError],
  [(g) => g.loadCursor('x'.repeat(65)), p.InvalidArgumentError],
  [(g) => g.connect('no ticket'), p.InvalidTicketError],
  [(g) => g.connect({}), TypeError],
  [(g) => g.connect(undefined), TypeError],
  [(g) => g.connect({ peer: p.PeerId(new Uint8Array(32)) }), p.NotFoundError],
  [(g) => g.connect({ node: p.NodeId(new Uint8Array(32)), addrs: ['nowhere'] }), p.InvalidArgumentError],
  [(g) => g.connect({ node: 'xy', addrs: [] }), p.InvalidIdError],
  [(g) => g.connect({ node: p.NodeId(new Uint8Array(32)), addrs: [] }, { deadline: -1 }), p.InvalidArgumentError],
  [(g) => g.setProperties({ name: 'x'.repeat(256) }), p.TooLargeError],
  [(g) => g.setProperties({ presenceLifetime: 1000 }), p.InvalidArgumentError],
  [(g) => g.setProperties({ presenceMax: -1 }), p.InvalidArgumentError],
  [(g) => g.setProperties({ name: 5 }), TypeError],
  [(g) => g.setNodeAttributes('x'.repeat(1025)), p.TooLargeError],
  [(g) => g.directConnection(99), p.NotConnectedError],
  [(g) => g.directConnection(-1), p.InvalidArgumentError],
  [(g) => g.disconnect(99), p.NotConnectedError],
  [(g) => g.send(99, 't', ''), p.NotConnectedError],
  [(g) => g.nodeInfo(p.NodeId(new Uint8Array(32))), p.NotFoundError],
  [(g) => g.toPeerTime('now'), TypeError],
  [(g) => g.importDatabase('/nowhere/at/all'), p.NotFoundError],
  [(_, n) => n.openGraph('xy'), p.InvalidIdError],
  [(_, n) => n.openGraph(p.GraphId(new Uint8Array(32))), p.UnknownGraphError],
  [(_, n) => n.join('peergraph:x'), p.InvalidTicketError],
  [(_, n) => n.joinGroup('x'), p.InvalidInvitationError],
  [(_, n) => n.deleteGraph(p.GraphId(new Uint8Array(32))), p.UnknownGraphError],
  [(_, n) => n.createGraph('x'.repeat(256)), p.TooLargeError],
  [(_, n) => n.createGraph('x', { maxRecord: 1 }), p.InvalidArgumentError],
  [(_, n) => n.createGraph('x', { seed: new Uint8Array(3) }), p.InvalidArgumentError],
  [(_, n) => n.createGroup('x', { rules: { maxChain: 99 } }), p.InvalidArgumentError],
  [(_, n) => n.createGroup('x', { rules: { properties: 'king' } }), p.InvalidArgumentError],
  [(_, n) => n.createGroup('x', { identity: {} }), TypeError],
  [(_, n) => n.identities.get('nobody'), p.PeergraphError],
  [(_, n) => n.identities.create('x', { key: new Uint8Array(3) }), p.InvalidArgumentError],
  [(_, n) => n.importMembership('x', 'long enough'), p.InvalidArgumentError],
  [() => p.Node.start({ dataDir: false, passphrase: 'x', key: new Uint8Array(32) }), p.InvalidArgumentError],
  [() => p.Node.start({ dataDir: false, network: 'moon' }), p.InvalidArgumentError],
  [() => p.Node.start({ dataDir: false, durability: 'none' }), p.InvalidArgumentError],
  [() => p.Node.start({ dataDir: false, bind: ['here'] }), p.InvalidArgumentError],
  [() => p.Node.start({ dataDir: false, version: 'new' }), p.InvalidArgumentError],
  [() => p.Node.start({ dataDir: false, version: '99.0' }), p.UnsupportedVersionError],
  [() => p.Node.start({ dataDir: false, mdns: 'yes' }), TypeError],
  [() => p.Node.start({ dataDir: 5 }), TypeError],
  [() => new p.Node(), TypeError],
  [() => new p.Ticket('x'), p.InvalidTicketError],
  [() => new p.Invitation('x'), p.InvalidInvitationError],
  [() => new p.PeerName(''), p.InvalidArgumentError],
  [() => new p.IdentityDescription('x'), p.InvalidArgumentError],
  [() => p.PeerId('xy'), p.InvalidIdError],
  [() => p.PeerId(new Uint8Array(3)), p.InvalidArgumentError],
  [() => p.PeerId(5), TypeError],
  [() => p.PeerName.unsecured(''), p.InvalidArgumentError],
  [() => p.PeerName.unsecured('x'.repeat(150)), p.TooLargeError],
]

test('x1 wrong arguments say what is wrong', async (t) => {
  const node = await nodeFor(t)
  const graph = await node.createGraph('wrong')
  for (const [wrong, Kind] of WRONG) {
    try {
      await fails(() => wrong(graph, node), Kind)
    } catch (error) {
      error.message = `${wrong}: ${error.message}`
      throw error
    }
  }
})

test('what only groups do, graphs do not have', async (t) => {
  const graph = await (await nodeFor(t)).createGraph('plain')
  assert(!(graph instanceof p.Group))
  assert.equal(graph.members, undefined)
})

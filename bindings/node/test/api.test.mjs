// All that the core's interface offers, from JavaScript.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { join } from 'node:path'
import { test } from 'node:test'

import * as p from 'peergraph'

import { eventually, fails, folderFor, joined, nodeFor, soon } from './support.mjs'

test('e10 records are published, changed, found and deleted', async (t) => {
  const node = await nodeFor(t)
  const graph = await node.createGraph('notes')
  const now = new Date()
  const attributes = { b: true, f: 1.5, i: -(2n ** 63n), l: [1, 'two', 0.25], n: 7, s: 'ä', t: now, x: Buffer.from([0, 255]) }
  const later = new Date(Date.now() + 86_400_000)
  const note = await graph.publish('note', 'milk', { attributes, expires: later })
  assert.deepEqual([note.text, note.body, note.version, note.recordType], ['milk', Buffer.from('milk'), 1, 'note'])
  assert.deepEqual(note.attributes, attributes)
  assert.deepEqual(note.expires, later)
  assert.deepEqual([note.author, note.creator, note.bodyState, note.deleted], [node.peerId, node.peerId, 'clear', false])
  assert((await graph.get(note.id)).equals(note))
  const changed = await graph.update(note, { body: Buffer.from('bread'), expectedVersion: 1 })
  assert.deepEqual([changed.version, changed.text, changed.attributes], [2, 'bread', attributes])
  assert(!changed.equals(note))
  await fails(() => graph.update(note, { body: 'eggs', expectedVersion: 1 }), p.VersionMismatchError)
  assert.equal(await graph.delete(changed), 3)
  assert.equal(await graph.get(note.id), null)
  await fails(() => graph.delete(note), p.DeletedError)
})

test('bodies are bytes, text, or what gives bytes piece by piece', async (t) => {
  const graph = await (await nodeFor(t)).createGraph('bodies')
  async function* pieces() {
    yield 'a'
    yield Buffer.from('b')
    yield new Uint8Array([99]).buffer
  }
  const bodies = ['abc', Buffer.from('abc'), new Blob(['abc']), new Blob(['abc']).stream(), pieces(), new Uint16Array([0x6261, 0x63])]
  const texts = []
  for (const body of bodies) texts.push((await graph.publish('t', body)).text)
  assert.deepEqual(texts, ['abc', 'abc', 'abc', 'abc', 'abc', 'abc\0'])
  const binary = await graph.publish('t', new Uint8Array([0xff]))
  assert.deepEqual([binary.text, [...binary.body]], [null, [255]])
  const parts = []
  for await (const part of (await graph.publish('t', 'streamed')).stream()) parts.push(part)
  assert.equal(Buffer.concat(parts).toString(), 'streamed')
})

test('numbers keep their kind: whole ones are integers unless they are floats', async (t) => {
  const graph = await (await nodeFor(t)).createGraph('numbers')
  const { attributes } = await graph.publish('t', '', {
    attributes: new Map([['whole', 3], ['float', new p.Float(3)], ['large', 2n ** 53n], ['least', -(2n ** 63n)], ['e', 1e300]]),
  })
  assert.deepEqual(attributes, { e: 1e300, float: 3, large: 2n ** 53n, least: -(2n ** 63n), whole: 3 })
  await fails(() => graph.publish('t', '', { attributes: { x: 2n ** 63n } }), RangeError)
})

test('x3 lists are snapshots, paged, sized, and end', async (t) => {
  const node = await nodeFor(t)
  const graph = await node.createGraph('many')
  await Promise.all(Array.from({ length: 25 }, (_, n) => graph.publish(n % 2 ? 'odd' : 'even', `${n}`)))
  const sizes = []
  for await (const page of graph.records(undefined, { pageSize: 10 }).pages()) sizes.push(page.length)
  assert.deepEqual(sizes, [10, 10, 5])
  assert.equal(await graph.records().count(), 25)
  assert.equal((await graph.records('odd')).length, 12)
  assert.equal((await graph.records(undefined, { creator: node.peerId })).length, 25)
  assert.deepEqual(await graph.records('none'), [])
  const begun = graph.records(undefined, { pageSize: 20 }).pages()
  const first = (await begun.next()).value
  await graph.publish('even', 'late')
  let rest = 0
  for await (const page of begun) rest += page.length
  assert.equal(first.length + rest, 25)
  await assert.rejects(graph.records(undefined, { signal: AbortSignal.abort('no') }).toArray(), (reason) => reason === 'no')
})

test('e1 e3 e4 streams get what they asked for', async (t) => {
  const node = await nodeFor(t)
  const graph = await node.createGraph('filters')
  const both = [0, 1].map(() => graph.events('record_changed', { recordTypes: 'a' }))
  const mine = graph.events('record_changed', { authors: node.peerId, recordTypes: ['a', 'b'] })
  const theirs = graph.events('record_changed', { authors: [p.PeerId(new Uint8Array(32))] })
  const states = graph.events('status_changed')
  await graph.publish('a', '1')
  await graph.publish('b', '2')
  for (const events of both) assert.equal((await soon(events)).record.text, '1')
  for (const events of both) assert.equal(events.tryNext(), null)
  assert.deepEqual([...mine.drain()].map((event) => event.record.text), ['1', '2'])
  assert.deepEqual([...theirs.drain()], [])
  assert.deepEqual([...states.drain()], [])
  await graph.listen()
  const { type, status } = await soon(states)
  assert.deepEqual([type, status.listening, status.hasConnections], ['status_changed', true, false])
})

test('e8 e9 changes name what changed', async (t) => {
  const graph = await (await nodeFor(t)).createGraph('before')
  const events = graph.events('property_changed')
  const properties = await graph.setProperties({ name: 'after', presenceLifetime: 600_000, deferExpiration: true })
  const expected = { name: 'after', comment: '', presenceLifetime: 600_000, presenceMax: null, deferExpiration: true }
  assert.deepEqual(properties, expected)
  const told = await soon(events)
  assert.deepEqual([told.changed, told.properties], [['deferExpiration', 'name', 'presenceLifetime'], expected])
  assert.equal((await graph.setProperties({ presenceMax: 5 })).presenceMax, 5)
  assert.equal((await graph.setProperties({ presenceMax: null })).presenceMax, null)
})

test('e20 a snapshot goes over into live events, and cursors go on', async (t) => {
  const graph = await (await nodeFor(t)).createGraph('cursors')
  await graph.publish('t', '1')
  const events = graph.events('record_changed', { recordTypes: 't', snapshot: true })
  const [first, caughtUp] = [await soon(events), await soon(events)]
  assert.deepEqual([first.type, first.origin, caughtUp.type], ['record_changed', 'feed', 'caught_up'])
  await graph.saveCursor('reader', first.cursor)
  await graph.publish('t', '2')
  const cursor = await graph.loadCursor('reader')
  assert.deepEqual(cursor, Buffer.from(first.cursor))
  assert.equal((await soon(graph.events('record_changed', { recordTypes: 't', after: cursor }))).record.text, '2')
  assert.equal(await graph.loadCursor('nobody'), null)
  assert.equal((await soon(graph.events('record_changed', { after: new Uint8Array(24) }))).type, 'reset')
})

test('e20 the cursor of a stream is what was handed out, not what was taken over', async (t) => {
  const graph = await (await nodeFor(t)).createGraph('cursors')
  const events = graph.events('record_changed', { recordTypes: 't' })
  const begin = events.cursor
  for (let n = 0; n < 20; n++) await graph.publish('t', `${n}`)
  assert.deepEqual(events.cursor, begin)
  for (let n = 0; n < 20; n++) {
    // Twenty are taken over at once with the first.
    const event = await soon(events)
    assert.equal(event.record.text, `${n}`)
    assert.deepEqual(events.cursor, Buffer.from(event.cursor))
    const rest = [...graph.events('record_changed', { recordTypes: 't', after: events.cursor }).drain()]
    assert(rest.every((each) => each.type !== 'record_changed' || Number(each.record.text) > n))
    if (n === 12) break
  }
  events.close()
  const again = graph.events('record_changed', { recordTypes: 't', after: events.cursor })
  assert.equal((await soon(again)).record.text, '13')
})

test('e12 e13 e22 data goes over direct connections in order', async (t) => {
  const [node, other] = [await nodeFor(t), await nodeFor(t)]
  const group = await node.createGroup('data')
  const far = await joined(group, other)
  const events = far.events('direct_connection', 'incoming_data', { dataTypes: ['part', 'last'] })
  const connection = await group.openDirect({ peer: other.peerId })
  assert.deepEqual([connection.info.peer, connection.info.kind, connection.id], [other.peerId, 'direct', connection.info.connection])
  const receipts = []
  for (let n = 0; n < 20; n++) receipts.push(await connection.send('part', new Uint8Array([n])))
  for (const receipt of receipts) assert.equal(await receipt.delivered(), true)
  await fails(() => receipts[0].delivered(), p.InvalidArgumentError)
  assert.equal(await (await connection.send('unheard', '')).delivered(), false)
  const got = []
  while (got.length < 20) {
    const event = await soon(events)
    if (event.type === 'incoming_data') {
      assert.deepEqual([event.peer, event.node, event.kind, event.dataType], [node.peerId, node.id, 'direct', 'part'])
      got.push(event.data[0])
    } else assert.deepEqual([event.type, event.change], ['direct_connection', 'connected'])
  }
  assert.deepEqual(got, Array.from({ length: 20 }, (_, n) => n))
  const back = await far.directConnection((await far.directConnections())[0].connection)
  assert.equal(await (await back.send('x', 'y')).delivered(), false)
  const here = group.events('incoming_data')
  assert.equal(await (await back.send('x', 'z')).delivered(), true)
  assert.equal((await soon(here)).data.toString(), 'z')
  await connection[Symbol.asyncDispose]()
  await connection[Symbol.asyncDispose]()
  const down = await soon(events)
  assert.deepEqual([down.change, down.reason], ['disconnected', 'closed_by_peer'])
})

test('e17 groups invite, rename and remove', async (t) => {
  const [node, other] = [await nodeFor(t), await nodeFor(t)]
  const group = await node.createGroup('club', { rules: { types: [{ recordType: 'news', publish: 'admin' }] } })
  assert.deepEqual((await group.rules()).types, [{ recordType: 'news', publish: 'admin', edit: 'author' }])
  const seen = []
  group.on('member_changed', ({ change, member }) => seen.push([change, member.name]))
  const invitation = await group.invite({ role: 'member', uses: 2 })
  assert(invitation.equals(new p.Invitation(`${invitation}`)))
  assert.deepEqual([invitation.kind, invitation.role, invitation.groupName], ['link', 'member', 'club'])
  assert.deepEqual([invitation.uses, invitation.subject], [2, null])
  assert.equal(invitation.nodes[0].node, node.id)
  assert(invitation.notAfter - invitation.notBefore > 6 * 86_400_000)
  assert.match(invitation.qrSvg(), /^<(\?xml|svg)/)
  assert(invitation.qrText().split('\n').length > 20)
  assert.deepEqual((await group.invitations()).map(({ uses, used }) => [uses, used]), [[2, 0]])
  const far = await other.joinGroup(invitation, { name: 'Ben' })
  assert.equal(far.joinOutcome, 'joined')
  await fails(() => far.publish('news', 'no'), p.NotAuthorizedError)
  await eventually('joined', () => seen.some(([change, name]) => change === 'joined' && name === 'Ben'))
  await group.setRole(other.peerId, 'admin')
  await eventually('promoted', async () => (await far.role()) === 'admin')
  await far.publish('news', 'yes')
  assert((await group.member(other.peerId)).isPresent)
  assert.equal((await group.presentMembers()).length, 2)
  assert.equal((await group.credentials(other.peerId)).length, 1)
  await group.renew(other.peerId, 86_400_000)
  await group.revokeInvitation((await group.invitations())[0])
  assert.deepEqual(await group.invitations(), [])
  await fails(() => group.renewBodyKey(), p.InvalidArgumentError)
  await group.remove(other.peerId, { reason: 'rules' })
  await eventually('removed', async () => (await group.members()).every(({ peer }) => peer !== other.peerId))
  await fails(() => group.member(other.peerId), p.NotFoundError)
  assert((await group.credentials()).length >= 3)
})

test('e18 wrong passwords and invitations are refused', async (t) => {
  const [node, other, third] = [await nodeFor(t), await nodeFor(t), await nodeFor(t)]
  const group = await node.createGroup('secret')
  const byPassword = await group.setPassword('open sesame')
  assert.equal(byPassword.kind, 'password')
  await fails(() => other.joinGroup(byPassword, { password: 'close sesame' }), p.WrongPasswordError)
  await eventually('let in by the right password', async () => {
    try {
      const far = await other.joinGroup(byPassword, { password: 'open sesame' })
      return far.id === group.id && (await far.role()) === 'member'
    } catch (error) {
      // A wrong try makes the next one wait.
      assert(error instanceof p.ThrottledError, error)
      return false
    }
  })
  await group.clearPassword()
  const described = (await other.identities.default()).describe()
  const personal = await group.invite(`${described}`, { role: 'reader', lifetime: 86_400_000 })
  assert.deepEqual([personal.kind, personal.subject, personal.role], ['identity', other.peerId, 'reader'])
  await fails(() => third.joinGroup(personal), p.InvitationNotForYouError)
  const known = await group.invite({ peer: third.peerId, name: 'Third' }, { lifetime: null })
  assert.deepEqual([known.subject, (await third.joinGroup(known)).id], [third.peerId, group.id])
  assert.equal((await group.member(third.peerId)).name, 'Third')
})

test('identities are made, moved and deleted', async (t) => {
  const [node, other] = [await nodeFor(t), await nodeFor(t)]
  const ann = await node.identities.create('Ann', { classifier: 'work' })
  assert.deepEqual([ann.name, ann.peerName.classifier, ann.peerName.peer], ['Ann', 'work', ann.peerId])
  assert(p.verify(ann.peerId, 'text', ann.sign('text')))
  assert(!p.verify(ann.peerId, 'other', ann.sign('text')))
  const text = await ann.export('long enough')
  await fails(() => other.identities.importIdentity(text, 'long wrong!'), p.WrongPasswordError)
  const moved = await other.identities.importIdentity(text, 'long enough')
  assert.equal(moved.peerId, ann.peerId)
  await other.identities.setDefault(moved)
  assert.equal((await other.identities.default()).peerId, ann.peerId)
  await ann.rename('Anna')
  assert.equal(node.identities.get(ann.peerName).name, 'Anna')
  assert.deepEqual([...node.identities].length, node.identities.list().length)
  const group = await node.createGroup('hers', { identity: ann })
  assert.deepEqual(await ann.groups(), [group.id])
  await fails(() => ann.delete(), p.GroupsExistError)
  await moved.delete()
  await fails(() => moved.sign(''), p.IdentityDeletedError)
  const name = p.PeerName.secured(ann.peerId, 'home')
  assert.deepEqual([name.isSecured, `${name.derive('work')}`, p.PeerName.unsecured('x').peer], [true, `${ann.peerName}`, null])
})

test('x2 connects have one outcome within their deadline', async (t) => {
  const [node, other] = [await nodeFor(t), await nodeFor(t)]
  const graph = await node.createGraph('reach')
  await graph.listen()
  await fails(() => graph.connect(node.addr), p.ConnectToSelfError)
  const nowhere = { node: other.id, addrs: ['127.0.0.1:1'] }
  await assert.rejects(graph.connect(nowhere, { deadline: 200 }), { name: /^(TimedOut|Unreachable)Error$/ })
  const far = await other.join(await graph.ticket())
  assert.deepEqual((await far.neighbors()).map(({ peer }) => peer), [node.peerId])
  await fails(() => far.connect(node.addr, { deadline: 20_000 }), p.AlreadyNeighborError)
  await far.disconnect((await far.neighbors())[0].connection)
  const hops = []
  const again = await far.connect(node.addr, { expectedPeer: node.peerId, progress: (hop) => hops.push(hop) })
  assert.deepEqual([again.node, again.kind, hops], [node.id, 'neighbor', []])
  assert.equal((await far.nodes(node.peerId)).length, 1)
  assert.equal((await far.nodeInfo(node.id)).peer, node.peerId)
  await far.setNodeAttributes('busy')
  await eventually('attributes', async () => (await graph.nodes()).some(({ attributes }) => attributes === 'busy'))
  assert((await graph.contacts()).length >= 1)
  const [one, two] = [await graph.fingerprint(), await far.fingerprint()]
  assert.deepEqual(one, two)
  assert(Math.abs((await graph.peerTime()) - Date.now()) < 60_000)
  const now = new Date()
  assert.deepEqual(await graph.toLocalTime(await graph.toPeerTime(now)), now)
  await graph.forcePresence(true)
  assert(node.metrics.bytesSent > 0n)
})

test('a key is asked for', async (t) => {
  const config = p.loopback(join(folderFor(t), 'data'))
  const key = new Uint8Array(32).fill(7)
  const asked = []
  const peers = []
  for (const keySource of [() => asked.push('at once') && key, async () => asked.push('later') && key]) {
    const node = await p.Node.start({ ...config, keySource })
    peers.push(node.peerId)
    await node.shutdown()
  }
  const given = await p.Node.start({ ...config, key })
  peers.push(given.peerId)
  await given.shutdown()
  assert.equal(new Set(peers).size, 1)
  assert.deepEqual(asked, ['at once', 'later'])
  const locked = () => Promise.reject(new RangeError('the screen is locked'))
  await assert.rejects(() => p.Node.start({ ...config, keySource: locked }), RangeError)
  await fails(() => p.Node.start({ ...config, keySource: () => new Uint8Array(32) }), p.KeyAccessError)
  for (const wrong of [new Uint8Array(31), undefined]) {
    await fails(() => p.Node.start({ ...config, keySource: () => wrong }), p.InvalidArgumentError)
  }
  for (const both of [{ key }, { passphrase: 'sesame' }]) {
    await fails(() => p.Node.start({ ...config, ...both, keySource: () => key }), p.InvalidArgumentError)
  }
  await nodeFor(t, { ...p.loopback(), keySource: locked })
})

test('databases and memberships move, and keys are protected', async (t) => {
  const folder = folderFor(t)
  const config = { ...p.loopback(join(folder, 'data')), passphrase: 'sesame', encryptDatabase: true }
  const node = await p.Node.start(config)
  const group = await node.createGroup('moves')
  await group.publish('t', 'kept')
  const count = await group.exportDatabase(join(folder, 'file'), 'long enough')
  await fails(() => group.exportDatabase(join(folder, 'file')), p.AlreadyExistsError)
  const text = await group.exportMembership('long enough')
  assert.deepEqual([node.storedGroups, node.storedGraphs, node.openGraphs], [[group.id], [group.id], [group.id]])
  await fails(() => p.Node.start(config), p.DirectoryInUseError)
  await node.shutdown()
  const other = await nodeFor(t)
  const moved = await other.importMembership(text, 'long enough')
  await fails(() => moved.importDatabase(join(folder, 'file'), 'long wrong!'), p.WrongPasswordError)
  const taken = await moved.importDatabase(join(folder, 'file'), 'long enough')
  assert(taken.added > 0 && taken.added <= count)
  assert.deepEqual((await moved.records('t')).map((record) => record.text), ['kept'])
  await fails(() => p.Node.open(join(folder, 'data')), p.KeyAccessError)
  const again = await nodeFor(t, config)
  const opened = await again.openGroup(group.id)
  assert.equal(opened.openOutcome, 'existing')
  await fails(() => again.deleteGraph(group.id), p.GraphInUseError)
  await opened.close()
  await again.deleteGraph(group.id)
  assert.deepEqual(again.storedGraphs, [])
})

test('graphs emit, from the end of the turn on, what has listeners', async (t) => {
  const node = await nodeFor(t)
  const opened = once(node, 'open')
  const graph = await node.createGraph('emits')
  assert.equal((await opened)[0], graph)
  const seen = []
  graph.on('record_changed', (event) => seen.push(event.record.text))
  await graph.publish('t', '1')
  graph.once('record_changed', (event) => seen.push(`once ${event.record.text}`))
  await graph.publish('t', '2')
  await eventually('three', () => seen.length === 3)
  assert.deepEqual(seen, ['1', '2', 'once 2'])
  graph.removeAllListeners('record_changed')
  await graph.publish('t', '3')
  const changed = once(graph, 'status_changed')
  await graph.listen()
  assert.equal((await changed)[0].status.listening, true)
  assert.equal(seen.length, 3)
  const closed = once(graph, 'close')
  await graph.close()
  await closed
})

test('a listener that throws or rejects loses no event', async (t) => {
  const graph = await (await nodeFor(t)).createGraph('throws')
  const [seen, faults] = [[], []]
  graph.on('error', (error) => faults.push(error.message))
  graph.on('record_changed', async (event) => {
    seen.push(event.record.text)
    if (event.record.text === '1') throw new Error('rejected')
  })
  for (let n = 0; n < 5; n++) await graph.publish('t', `${n}`)
  await eventually('five', () => seen.length === 5 && faults.length === 1)
  assert.deepEqual([seen, faults], [['0', '1', '2', '3', '4'], ['rejected']])
})

test('values show themselves', async (t) => {
  const { inspect } = await import('node:util')
  const node = await nodeFor(t)
  const graph = await node.createGraph('shows')
  const events = graph.events('record_changed', { recordTypes: 't' })
  const record = await graph.publish('t', 'text', { attributes: { __proto__: null, big: 2n ** 60n } })
  const event = await soon(events)
  assert.match(inspect(event), /RecordChanged \{[^]*Record \{[^]*body: 'text'/)
  assert.equal(JSON.parse(JSON.stringify(event)).record.attributes.big, `${2n ** 60n}`)
  assert.equal(JSON.parse(JSON.stringify(record)).text, 'text')
  assert.match(inspect([node, graph, await graph.ticket(), p.PeerName.unsecured('x')]), /Node .* of .*Graph .*Ticket to .*PeerName/s)
  assert.equal(JSON.stringify(p.PeerName.unsecured('x')), JSON.stringify(`${p.PeerName.unsecured('x')}`))
  assert.deepEqual(JSON.parse(JSON.stringify(await graph.ticket())), { graph: graph.id, nodes: [] })
})

// What is given: wrong types, unknown names, broken text, buffers that change.
import assert from 'node:assert/strict'
import { join } from 'node:path'
import { setImmediate as turn } from 'node:timers/promises'
import { test } from 'node:test'
import { inspect } from 'node:util'

import * as p from 'peergraph'

import { fails, folderFor, nodeFor } from './support.mjs'

/** Must be a TypeError that says which argument is meant. */
async function refuses(doing, name) {
  await assert.rejects(
    async () => doing(),
    (error) => {
      assert(error instanceof TypeError, `${doing}: ${error.name}: ${error.message}`)
      assert(error.message.includes(name), `${doing}: ${error.message}`)
      return true
    },
  )
}

test('n4 a buffer is taken at the call: what happens to it later changes nothing', async (t) => {
  const graph = await (await nodeFor(t)).createGraph('n4')
  const buffer = Buffer.from('before')
  const attribute = Buffer.from('before')
  const publishing = graph.publish('t', buffer, { attributes: { x: attribute } })
  buffer.fill('x')
  attribute.fill('x')
  const record = await publishing
  assert.deepEqual([record.text, record.attributes.x.toString()], ['before', 'before'])
  const later = Buffer.from('after')
  const updating = graph.update(record, { body: later })
  later.fill('x')
  assert.equal((await updating).text, 'after')
  // A source that fills the same buffer again and again.
  async function* pieces() {
    const same = Buffer.alloc(1)
    for (const letter of 'pieces') {
      same.write(letter)
      yield same
      await turn()
    }
  }
  assert.equal((await graph.publish('t', pieces())).text, 'pieces')
  const cursor = Buffer.from(graph.events('record_changed').cursor)
  const kept = Buffer.from(cursor)
  const saving = graph.saveCursor('n4', cursor)
  cursor.fill(0)
  await saving
  assert.deepEqual(await graph.loadCursor('n4'), kept)
  const key = Buffer.alloc(32, 7)
  const making = p.Node.start({ dataDir: false, mdns: false, bind: ['127.0.0.1:0'], identity: key, keySource: () => key })
  key.fill(8)
  const other = await making
  const same = await nodeFor(t, { identity: Buffer.alloc(32, 7) })
  assert.equal(other.peerId, same.peerId)
  await other.shutdown()
})

test('n6 p2 memory is asked for; a folder that is none is an error', async (t) => {
  const folder = folderFor(t)
  for (const nothing of [undefined, null, 5, {}, false, true]) await refuses(() => p.Node.open(nothing), 'dataDir')
  await fails(() => p.Node.open(''), p.InvalidArgumentError)
  for (const config of ['dir', null, undefined, 5, ['dir'], new Date()]) await refuses(() => p.Node.start(config), 'config')
  for (const none of [undefined, null, 5]) await refuses(() => p.Node.start({ dataDir: none }), 'dataDir')
  await refuses(() => p.Node.start({}), 'dataDir')
  await refuses(() => p.Node.start({ datadir: folder }), 'dataDir')
  assert.throws(() => p.loopback(undefined), TypeError)
  assert.throws(() => p.lowPower({ datadir: folder }), TypeError)
  await (await p.Node.start({ ...p.loopback(), dataDir: false })).shutdown()
  await (await p.Node.start(p.loopback(join(folder, 'data')))).shutdown()
})

const UNKNOWN = [
  [(g) => g.events('record_changed', { recordType: 'x' }), 'recordTypes'],
  [(g) => g.events('recordChanged'), 'record_changed'],
  [(g) => g.events({ kinds: ['record_changed'] }), 'kinds'],
  [(g) => g.publish('t', 'x', { room: 'main' }), 'room'],
  [(g) => g.publish('t', 'x', { Expires: new Date() }), 'expires'],
  [(g, r) => g.update(r, 'text'), 'changes'],
  [(g, r) => g.update(r), 'changes'],
  [(g, r) => g.update(r, { text: 'x' }), 'text'],
  [(g, r) => g.update(r, { body: null }), 'body'],
  [(g, r) => g.update(r, { attributes: null }), 'attributes'],
  [(g) => g.on('recordChanged', () => {}), 'record_changed'],
  [(g) => g.once('closed', () => {}), 'closed'],
  [(g) => g.prependListener('event', () => {}), 'event'],
  [(g) => g.records('t', { pagesize: 5 }), 'pageSize'],
  [(g) => g.records({ recordType: 't' }), 'recordType'],
  [(g) => g.records('t', 5), 'options'],
  [(g) => g.connect({ peer: g.id }, { timeout: 5 }), 'timeout'],
  [(g) => g.setProperties({ title: 'x' }), 'title'],
  [(g) => g.setProperties(), 'changes'],
  [(g) => g.listen({ signal: 'now' }), 'signal'],
  [(g) => g.status({ deadline: 5 }), 'deadline'],
  [(g) => g.importDatabase('x', undefined, { Exporter: 'x' }), 'exporter'],
  [(g, _, n) => n.createGraph('x', { propertys: {} }), 'propertys'],
  [(g, _, n) => n.createGraph('x', { properties: { title: 'x' } }), 'title'],
  [(g, _, n) => n.createGraph('x', { rules: {} }), 'rules'],
  [(g, _, n) => n.createGroup('x', { rules: { encrypted: true } }), 'encrypted'],
  [(g, _, n) => n.createGroup('x', { rules: { types: [{ recordType: 't', publisher: 'admin' }] } }), 'publisher'],
  [(g, _, n) => n.createGroup('x', { identity: 'me' }), 'identity'],
  [(g, _, n) => n.openGraph(g.id, { preference: [] }), 'preference'],
  [(g, _, n) => n.joinGroup('x', { nick: 'Ben' }), 'nick'],
  [(g, _, n) => n.on('opened', () => {}), 'open'],
  [(g, _, n) => n.identities.create('x', { private: Buffer.alloc(32) }), 'private'],
  [() => p.Node.start({ ...p.loopback(), dirable: true }), 'dirable'],
  [() => p.Node.start(p.loopback(), 5), 'options'],
  [(g, r, n, group) => group.invite({ roles: 'member' }), 'role'],
  [(g, r, n, group) => group.invite(null), 'whom'],
  [(g, r, n, group) => group.invite({ peer: undefined }), 'whom.peer'],
  [(g, r, n, group) => group.remove(n.peerId, { keeprecords: false }), 'keepRecords'],
]

test('n6 a name that there is not is an error, and says which there are', async (t) => {
  const node = await nodeFor(t)
  const graph = await node.createGraph('n6')
  const group = await node.createGroup('n6')
  const record = await graph.publish('t', 'old')
  for (const [doing, name] of UNKNOWN) await refuses(() => doing(graph, record, node, group), name)
  assert.deepEqual([(await graph.get(record)).version, (await graph.records()).length], [1, 1])
  // What is left undefined is left out.
  const changed = await graph.update(record, { body: 'new', attributes: undefined, expires: undefined })
  assert.deepEqual([changed.version, changed.text], [2, 'new'])
})

test('p1 a body of a wrong type is an error that names it', async (t) => {
  const graph = await (await nodeFor(t)).createGraph('p1')
  const record = await graph.publish('t', 'x')
  for (const wrong of [5, true, 3_000_000_000, [1, 2, 3], null, {}, new Date(), new Map(), Symbol('x'), 5n, () => {}, Promise.resolve('x')]) {
    await refuses(() => graph.publish('t', wrong), 'body')
    await refuses(() => graph.update(record, { body: wrong }), 'body')
    await refuses(() => graph.send(1, 't', wrong), 'data')
  }
  async function* numbers() {
    yield 5
  }
  await refuses(() => graph.publish('t', numbers()), 'body')
  assert.equal((await graph.records()).length, 1)
})

test('n20 messages name the argument, and repeat none', async (t) => {
  const node = await nodeFor(t)
  const graph = await node.createGraph('n20')
  const group = await node.createGroup('n20')
  const wrong = [
    [() => graph.events('record_changed', { after: 'cursor' }), 'after'],
    [() => graph.saveCursor('a', 'cursor'), 'cursor'],
    [() => graph.saveCursor(undefined, new Uint8Array(24)), 'name'],
    [() => graph.publish(undefined, ''), 'recordType'],
    [() => graph.delete(undefined), 'record'],
    [() => graph.get({}), 'record'],
    [() => graph.publish('t', '', { expires: 5 }), 'expires'],
    [() => graph.connect(undefined), 'target'],
    [() => graph.connect({ peer: 5 }), 'target.peer'],
    [() => graph.connect({ node: node.id, addrs: 'here' }), 'target.addrs'],
    [() => graph.connect({ peer: node.peerId }, { deadline: '5' }), 'deadline'],
    [() => graph.connect({ peer: node.peerId }, { progress: {} }), 'progress'],
    [() => graph.directConnection('1'), 'connection'],
    [() => graph.forcePresence(1), 'forced'],
    [() => graph.exportDatabase(undefined), 'path'],
    [() => graph.exportDatabase('x', 12345678), 'password'],
    [() => group.setPassword(undefined), 'password'],
    [() => group.member(undefined), 'peer'],
    [() => group.setRole(node.peerId, undefined), 'role'],
    [() => group.renew(node.peerId, '5'), 'lifetime'],
    [() => node.joinGroup(undefined), 'invitation'],
    [() => node.join({}), 'ticket'],
    [() => node.openGroup(undefined), 'group'],
    [() => node.deleteGraph(5), 'graph'],
    [() => node.importMembership(undefined, 'x'), 'text'],
    [() => node.createGraph(5), 'name'],
    [() => node.identities.importIdentity('x', undefined), 'password'],
    [() => node.identities.get(undefined), 'name'],
    [() => p.Node.start({ ...p.loopback(), passphrase: 5 }), 'passphrase'],
    [() => p.Node.start({ ...p.loopback(), key: 'text' }), 'key'],
    [() => p.Node.start({ ...p.loopback(), keySource: 'x' }), 'keySource'],
    [() => p.Node.start({ ...p.loopback(), bind: '127.0.0.1:0' }), 'bind'],
    [() => new p.Ticket(undefined), 'ticket'],
    [() => new p.Invitation(5), 'invitation'],
    [() => p.PeerId(undefined), 'PeerId'],
    [() => p.verify('00', 5, new Uint8Array(64)), 'message'],
  ]
  for (const [doing, name] of wrong) {
    await assert.rejects(
      async () => doing(),
      (error) => {
        assert(error instanceof TypeError || error instanceof p.InvalidIdError, `${doing}: ${error}`)
        assert(error instanceof p.InvalidIdError || error.message.includes(name), `${doing}: ${error.message}`)
        assert(!/12345678|napi|rust/i.test(error.message), error.message)
        return true
      },
    )
  }
  const invalid = [
    [() => graph.publish('t', '', { attributes: { born: new Date(NaN) } }), 'born'],
    [() => graph.publish('t', '', { attributes: { mean: NaN } }), 'mean'],
    [() => graph.publish('t', '', { expires: new Date(NaN) }), 'expires'],
    [() => graph.toPeerTime(new Date(NaN)), 'local'],
    [() => graph.connect({ peer: node.peerId }, { deadline: NaN }), 'deadline'],
    [() => graph.connect({ peer: node.peerId }, { deadline: -1 }), 'deadline'],
    [() => graph.records('t', { pageSize: 1.5 }), 'pageSize'],
    [() => graph.events({ capacity: -1 }), 'capacity'],
    [() => group.invite({ uses: -1 }), 'uses'],
    [() => p.Node.start({ ...p.loopback(), pingInterval: Infinity }), 'pingInterval'],
  ]
  for (const [doing, name] of invalid) {
    await assert.rejects(async () => doing(), (error) => error instanceof p.InvalidArgumentError && error.message.includes(name))
  }
})

test('k10 half of a surrogate pair is refused by name, everywhere', async (t) => {
  const node = await nodeFor(t)
  const graph = await node.createGraph('k10')
  const group = await node.createGroup('k10')
  const half = 'hi 😀'.slice(0, 4)
  const record = await graph.publish('t', 'hi 😀')
  assert.equal(record.text, 'hi 😀')
  async function* pieces() {
    yield half
  }
  const given = [
    [() => graph.publish('t', half), 'body'],
    [() => graph.publish('t', pieces()), 'body'],
    [() => graph.publish(half, ''), 'recordType'],
    [() => graph.update(record, { body: half }), 'body'],
    [() => graph.publish('t', '', { attributes: { note: half } }), 'note'],
    [() => graph.publish('t', '', { attributes: { notes: ['a', half] } }), 'notes'],
    [() => graph.publish('t', '', { attributes: { [half]: 1 } }), 'attribute'],
    [() => graph.setProperties({ name: half }), 'name'],
    [() => graph.setNodeAttributes(half), 'text'],
    [() => graph.saveCursor(half, new Uint8Array(24)), 'name'],
    [() => graph.send(1, 't', half), 'data'],
    [() => graph.records(half), 'recordType'],
    [() => graph.events('record_changed', { recordTypes: ['a', half] }), 'recordTypes'],
    [() => graph.exportDatabase('x', half), 'password'],
    [() => node.createGraph(half), 'name'],
    [() => node.createGroup('x', { rules: { creatorName: half } }), 'creatorName'],
    [() => node.joinGroup('x', { name: half }), 'name'],
    [() => node.identities.create(half), 'name'],
    [() => node.importMembership('x', half), 'password'],
    [() => group.setPassword(half), 'password'],
    [() => group.remove(node.peerId, { reason: half }), 'reason'],
    [() => group.invite({ peer: node.peerId, name: half }), 'name'],
    [() => p.PeerName.unsecured(half), 'classifier'],
    [() => p.Node.open(half), 'dataDir'],
    [() => p.Node.start({ ...p.loopback(), passphrase: half }), 'passphrase'],
    [async () => (await node.identities.default()).sign(half), 'message'],
    [async () => (await node.identities.default()).rename(half), 'name'],
  ]
  for (const [doing, name] of given) {
    await assert.rejects(
      async () => doing(),
      (error) => {
        assert(error instanceof p.InvalidArgumentError, `${doing}: ${error}`)
        assert(error.message.includes(name) && error.message.includes('surrogate'), `${doing}: ${error.message}`)
        return true
      },
    )
  }
})

test('n12 a stream is stopped as soon as it exceeds the limit', async (t) => {
  const graph = await (await nodeFor(t)).createGraph('n12', { maxRecord: 64 * 1024 })
  const piece = Buffer.alloc(16 * 1024)
  let [pulled, stopped] = [0, false]
  async function* endless() {
    try {
      for (;;) {
        pulled += piece.length
        yield piece
      }
    } finally {
      stopped = true
    }
  }
  await fails(() => graph.publish('t', endless()), p.TooLargeError)
  assert(stopped && pulled <= 128 * 1024, `${pulled} bytes`)
  let [asked, cancelled] = [0, null]
  const web = () =>
    new ReadableStream({
      pull(controller) {
        asked++
        controller.enqueue(piece)
      },
      cancel(reason) {
        cancelled = reason ?? 'cancelled'
      },
    })
  const record = await graph.publish('t', 'small')
  await fails(() => graph.update(record, { body: web() }), p.TooLargeError)
  assert(cancelled !== null && asked <= 10, `${asked} pieces`)
  await fails(() => graph.publish('t', new Blob(Array(8).fill(piece))), p.TooLargeError)
  assert.equal((await graph.publish('t', new Blob([piece]))).body.length, piece.length)
})

test('p21 what is too large is refused before it is copied', async (t) => {
  const graph = await (await nodeFor(t)).createGraph('p21')
  const [large, long] = [Buffer.alloc(512 * 1024 * 1024), 'x'.repeat(256 * 1024 * 1024)]
  const calls = [
    () => graph.publish('t', large),
    () => graph.publish('t', long),
    () => graph.publish('t', '', { attributes: { large } }),
    () => graph.publish('t', '', { attributes: { long } }),
    () => graph.send(1, 't', large),
    () => graph.send(1, 't', long),
  ]
  const before = process.resourceUsage().maxRSS
  for (const call of calls) await fails(call, p.TooLargeError)
  assert((process.resourceUsage().maxRSS - before) / 1024 < 128, 'it was copied')
})

test('k20 k21 moments: one rule for Dates, before 1970 and invalid ones', async (t) => {
  const graph = await (await nodeFor(t)).createGraph('k21')
  for (const call of [(at) => graph.toPeerTime(at), (at) => graph.toLocalTime(at), (at) => graph.publish('t', '', { expires: at })]) {
    for (const at of [new Date(NaN), new Date(-1)]) await fails(() => call(at), p.InvalidArgumentError)
    for (const at of [5, 'now', {}, NaN]) await fails(() => call(at), TypeError)
  }
  await fails(() => graph.publish('t', '', { attributes: { at: new Date(NaN) } }), p.InvalidArgumentError)
})

test('p4 roles are compared by what they may do', async (t) => {
  const { ROLES, compareRoles } = p
  assert.deepEqual(ROLES, ['reader', 'member', 'inviter', 'admin', 'owner'])
  assert(Object.isFrozen(ROLES))
  assert.deepEqual([...ROLES].reverse().sort(compareRoles), ROLES)
  assert(compareRoles('owner', 'reader') > 0 && compareRoles('admin', 'admin') === 0 && compareRoles(null, 'reader') < 0)
  for (const wrong of ['king', undefined, 4, 'Owner']) assert.throws(() => compareRoles(wrong, 'owner'), TypeError)
  const group = await (await nodeFor(t)).createGroup('p4')
  assert(compareRoles(await group.role(), 'admin') > 0)
})

test('p3 k12 no secret is shown', async (t) => {
  const node = await nodeFor(t)
  const group = await node.createGroup('p3')
  const graph = await node.createGraph('p3')
  const secret = 'correct horse battery staple'
  const key = Buffer.from('0123456789abcdef0123456789abcdef')
  const shown = (value) => [inspect(value, { depth: 9, showHidden: true }), JSON.stringify(value), `${inspect([value])}`].join('\n')
  for (const config of [p.lowPower({ ...p.loopback(), passphrase: secret }), p.lowPower({ ...p.loopback(), key, identity: key })]) {
    assert.doesNotMatch(shown(config) + config, /correct horse|30 ?31 ?32 ?33|48,49,50/)
  }
  assert.equal({ ...p.lowPower({ ...p.loopback(), passphrase: secret }) }.passphrase, secret)
  const invitations = [await group.invite(), await group.setPassword(secret), await group.invite({ peer: node.peerId }).catch(() => group.invite())]
  for (const made of [...invitations, await graph.ticket()]) {
    const text = `${made}`
    assert(text.length > 40)
    const tail = text.slice(-24)
    assert(!shown(made).includes(tail), 'the text lets in whoever has it')
    assert(!shown({ nested: [made] }).includes(tail))
    assert.equal(JSON.parse(JSON.stringify(made)).nodes.length, made.nodes.length)
  }
  const wrongs = [
    () => node.joinGroup(`${invitations[0]}`.slice(0, -3) + 'xyz', { password: secret }),
    () => node.joinGroup(invitations[1], { password: secret, passwort: secret }),
    () => node.importMembership('x', secret),
    () => node.identities.importIdentity('x', secret),
    () => p.Node.start({ ...p.loopback(), passphrase: secret, key }),
    () => p.Node.start({ ...p.loopback(), passphrase: secret, pass: secret }),
    () => p.Node.start({ ...p.loopback(), key: secret }),
    () => p.Node.start({ ...p.loopback(), identity: [secret] }),
    () => p.Node.start({ ...p.loopback(), keySource: secret }),
    () => new p.Invitation(secret),
    () => new p.Ticket(`peergraph:${secret}`),
  ]
  for (const wrong of wrongs) {
    const error = await (async () => wrong())().then(() => null, (caught) => caught)
    assert(error !== null, `${wrong}`)
    assert.doesNotMatch(shown(error) + error, /correct horse/, `${wrong}`)
  }
  for (const value of [node, group, await node.identities.default(), node.identities]) assert(shown(value).length < 1000)
})

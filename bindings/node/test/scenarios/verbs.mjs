// What each verb does: takes the keys, calls the package, tells the facts.
import { join } from 'node:path'

import * as p from 'peergraph'

import { ScriptError, shown } from './script.mjs'

const flag = (text) => {
  if (text !== 'true' && text !== 'false') throw new ScriptError(`${text} cannot be read`)
  return text === 'true'
}
const whole = (text) => {
  if (!/^-?\d+(\.\d+)?$/.test(text)) throw new ScriptError(`${text} cannot be read`)
  return Number(text)
}
const text = (value) => value
const seconds = (value) => (value === 'none' ? null : whole(value) * 1000)
const many = (value) => value.split(',')
const peers = (value) => many(value).map((each) => p.PeerId(each))
const hex = (value) => Buffer.from(value, 'hex')
const fromNow = (value) => new Date(Date.now() + whole(value) * 1000)
const ordered = (items) => items.map(shown).sort()

/** The keys that the step has, as options: `{ key: read }`, or `{ key: [name, read] }` where the package calls it otherwise. */
function given(step, readers) {
  const options = {}
  for (const [key, reader] of Object.entries(readers)) {
    const [name, read] = Array.isArray(reader) ? reader : [key, reader]
    if (key in step.keys) options[name] = read(step.keys[key])
  }
  return options
}

const starting = (step, start) =>
  Object.entries(step.keys)
    .filter(([key]) => key.startsWith(start))
    .map(([key, value]) => [key.slice(start.length), value])

const READERS = {
  text,
  int: BigInt,
  float: (value) => new p.Float(value === 'nan' ? NaN : value === 'inf' ? Infinity : value),
  bool: flag,
  time: (value) => new Date(whole(value) * 1000),
  bytes: hex,
  list: (value) => many(value).map(attribute),
}

function attribute(word) {
  const [kind, ...rest] = word.split(':')
  if (!(kind in READERS)) throw new ScriptError(`${word} is no value of an attribute`)
  return READERS[kind](rest.join(':'))
}

function attributeShown(value) {
  if (typeof value === 'string') return `text:${value}`
  if (typeof value === 'boolean') return `bool:${value}`
  if (typeof value === 'bigint' || Number.isInteger(value)) return `int:${value}`
  if (typeof value === 'number') return `float:${value}`
  if (value instanceof Date) return `time:${value.getTime() / 1000}`
  if (value instanceof Uint8Array) return `bytes:${shown(value)}`
  return `list:${value.map(attributeShown).join(',')}`
}

function recordFacts({ id, recordType, version, text: body, creator, author, deleted, expires, attributes }) {
  const named = Object.entries(attributes).map(([name, value]) => [`attribute.${name}`, attributeShown(value)])
  const facts = { id, type: recordType, version, text: body, creator, author, deleted, expires: expires !== null }
  return { ...Object.fromEntries(named), ...facts }
}

const propertiesFacts = ({ name, comment, presenceLifetime, presenceMax, deferExpiration }) => ({
  name, comment, presence_lifetime: presenceLifetime / 1000, presence_max: presenceMax, defer_expiration: deferExpiration,
})
const statusFacts = ({ listening, hasConnections, synchronized }) => ({ listening, connections: hasConnections, synchronized })
const connectionFacts = ({ connection, kind, node, peer }) => ({ connection, link: kind, node, peer })
const connectionsFacts = (all) => ({ count: all.length, peers: ordered(all.map(({ peer }) => peer)), connection: all[0]?.connection })
const invitationFacts = ({ kind, role, groupName, issuer, issuerName, subject }, made) => ({
  text: `${made}`, kind, role, group_name: groupName, issuer, issuer_name: issuerName, subject,
})
const invitationOf = (made) => invitationFacts(made, made)
const snake = (name) => name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`)

/** What an event tells. */
export function eventFacts(event) {
  const kind = event.type
  switch (kind) {
    case 'status_changed':
      return { kind, ...statusFacts(event.status) }
    case 'property_changed':
      return { kind, changed: ordered(event.changed.map(snake)), ...propertiesFacts(event.properties) }
    case 'record_changed': {
      const { change, origin, conflict, cursor, record } = event
      return { kind, change, origin, conflict: conflict !== null, cursor, ...recordFacts(record) }
    }
    case 'direct_connection':
    case 'neighbor_connection': {
      const { change, connection, node, peer, reason, hop } = event
      return { kind, change, connection, node, peer, reason, hop }
    }
    case 'incoming_data': {
      const { connection, node, peer, dataType, data } = event
      return { kind, connection, link: event.kind, node, peer, type: dataType, data: data.toString() }
    }
    case 'connection_required':
    case 'connection_failed':
      return { kind, reason: event.reason }
    case 'node_changed':
      return { kind, change: event.change, node: event.node.node, peer: event.node.peer, attributes: event.node.attributes }
    case 'synchronized':
      return { kind, type: event.recordType }
    case 'sync_progress':
      return { kind, records: event.records, expected: event.recordsExpected }
    case 'member_changed':
      return { kind, change: event.change, peer: event.member.peer, name: event.member.name, role: event.member.role }
    case 'lagged':
      return { kind, dropped: event.dropped }
    case 'reset':
      return { kind }
    case 'caught_up':
      return { kind, cursor: event.cursor }
    default:
      throw new ScriptError(`an event without a case: ${kind}`)
  }
}

function target({ keys }) {
  if ('node' in keys && 'addr' in keys) return { node: p.NodeId(keys.node), addrs: [keys.addr] }
  if ('node' in keys) return { node: p.NodeId(keys.node) }
  if ('peer' in keys) return { peer: p.PeerId(keys.peer) }
  if ('ticket' in keys) return new p.Ticket(keys.ticket)
  throw new ScriptError('no target')
}

const node = (world, step, at = 0) => world.get('node', step.names[at])
const graph = (world, step, at = 0) => world.get('graph', step.names[at])
const stream = (world, step) => world.get('stream', step.names[0])
const identity = (world, name) => world.get('identity', name)
function keepGraph(world, step, made) {
  world.keep('graph', step.names[0], made)
  return { id: made.id, outcome: made.joinOutcome ?? made.openOutcome }
}
/** Options of a join that is told how far the database is if the step has progress=true, and what it was told. */
function watched(step) {
  if (step.keys.progress !== 'true') return [{}, () => ({})]
  let last
  const facts = () => ({ told: last !== undefined, whole: last?.records > 0 && last.records === last.recordsExpected })
  return [{ onProgress: (now) => (last = now) }, facts]
}
function keepIdentity(world, step, made) {
  world.keep('identity', step.names[0], made)
  return { peer: made.peerId, peer_name: made.peerName, name: made.name }
}
const content = (step) => {
  const attributes = starting(step, 'attribute.').map(([name, value]) => [name, attribute(value)])
  return { attributes: attributes.length > 0 ? Object.fromEntries(attributes) : undefined, ...given(step, { expires: fromNow }) }
}

async function nextEvent(world, step) {
  try {
    const { value, done } = await stream(world, step).next({ signal: AbortSignal.timeout(world.patience) })
    return done ? { kind: 'end' } : eventFacts(value)
  } catch (error) {
    throw error.name === 'TimeoutError' ? new ScriptError('no event in time') : error
  }
}

export const VERBS = {
  async node(world, step) {
    const loopback = 'dir' in step.keys ? p.loopback(join(world.folder, step.keys.dir)) : p.loopback()
    const config = { ...loopback, ...given(step, { passphrase: text, encrypt: ['encryptDatabase', flag], version: text }) }
    const made = world.keep('node', step.names[0], await p.Node.start(config))
    return { id: made.id, peer: made.peerId, addr: made.bound[0] }
  },
  shutdown: (world, step) => node(world, step).shutdown(),
  stored(world, step) {
    const { storedGraphs, storedGroups, openGraphs } = node(world, step)
    return { graphs: storedGraphs.length, groups: storedGroups.length, open: openGraphs.length }
  },

  async identity(world, step) {
    const { name, ...options } = given(step, { name: text, classifier: text })
    return keepIdentity(world, step, await node(world, step, 1).identities.create(name, options))
  },
  'default-identity': async (world, step) => keepIdentity(world, step, await node(world, step, 1).identities.default()),
  'find-identity': (world, step) => keepIdentity(world, step, node(world, step, 1).identities.get(step.need('peer_name'))),
  'import-identity': async (world, step) =>
    keepIdentity(world, step, await node(world, step, 1).identities.importIdentity(step.need('text'), step.need('password'))),
  'set-default': (world, step) => node(world, step).identities.setDefault(new p.PeerName(step.need('peer_name'))),
  identities(world, step) {
    const every = node(world, step).identities.list()
    return { count: every.length, names: ordered(every.map(({ name }) => name)) }
  },
  async rename(world, step) {
    const of = identity(world, step.names[0])
    await of.rename(step.keys.name || null)
    return { name: of.name }
  },
  describe(world, step) {
    const description = identity(world, step.names[0]).describe()
    return { text: description, peer: description.peerId, name: description.name }
  },
  'export-identity': async (world, step) => ({ text: await identity(world, step.names[0]).export(step.need('password')) }),
  sign: (world, step) => ({ signature: identity(world, step.names[0]).sign(step.need('message')) }),
  verify: (_, step) => ({ valid: p.verify(p.PeerId(step.need('peer')), step.need('message'), hex(step.need('signature'))) }),
  'groups-of': async (world, step) => ({ count: (await identity(world, step.names[0]).groups()).length }),
  'delete-identity': (world, step) => identity(world, step.names[0]).delete(),

  async graph(world, step) {
    const options = given(step, { max_record: ['maxRecord', whole], seed: (byte) => Buffer.alloc(32, whole(byte)), precedence: many })
    const properties = given(step, { name: text, comment: text })
    return keepGraph(world, step, await node(world, step, 1).createGraph(undefined, { ...options, properties }))
  },
  async ticket(world, step) {
    const ticket = await graph(world, step, 1).ticket()
    return { text: ticket, graph: ticket.graph, nodes: ticket.nodes.length }
  },
  async join(world, step) {
    const [options, facts] = watched(step)
    const joined = await node(world, step, 1).join(step.need('ticket'), options)
    return { ...keepGraph(world, step, joined), ...facts() }
  },
  open: async (world, step) =>
    keepGraph(world, step, await node(world, step, 1).openGraph(step.need('graph'), given(step, { precedence: many, offline: flag }))),
  close: (world, step) => graph(world, step).close(),
  'delete-graph': (world, step) => node(world, step).deleteGraph(step.need('id')),
  listen: async (world, step) => ({ outcome: await graph(world, step).listen() }),
  status: async (world, step) => statusFacts(await graph(world, step).status()),
  async 'sync-progress'(world, step) {
    const now = await graph(world, step).syncProgress()
    return { records: now?.records, expected: now?.recordsExpected }
  },
  async genesis(world, step) {
    const { creator, maxRecord, rules } = await graph(world, step).genesis()
    return { creator, max_record: maxRecord, group: rules !== null }
  },
  properties: async (world, step) => propertiesFacts(await graph(world, step).properties()),
  async 'set-properties'(world, step) {
    const changes = given(step, {
      name: text,
      comment: text,
      presence_lifetime: ['presenceLifetime', seconds],
      presence_max: ['presenceMax', (max) => (max === 'none' ? null : whole(max))],
      defer_expiration: ['deferExpiration', flag],
    })
    return propertiesFacts(await graph(world, step).setProperties(changes))
  },
  async same(world, step) {
    const [one, other] = [await graph(world, step).fingerprint(), await graph(world, step, 1).fingerprint()]
    return { equal: one.count === other.count && one.hash.equals(other.hash), count: one.count }
  },
  async nodes(world, step) {
    const every = await graph(world, step).nodes(given(step, { peer: p.PeerId }).peer)
    return { count: every.length, peers: ordered(every.map(({ peer }) => peer)) }
  },
  async 'node-info'(world, step) {
    const { node: id, peer, attributes } = await graph(world, step).nodeInfo(p.NodeId(step.need('node')))
    return { node: id, peer, attributes }
  },
  'set-attributes': (world, step) => graph(world, step).setNodeAttributes(step.keys.text),
  'force-presence': (world, step) => graph(world, step).forcePresence(flag(step.need('forced'))),
  contacts: async (world, step) => ({ count: (await graph(world, step).contacts()).length }),

  connect: async (world, step) =>
    connectionFacts(
      await graph(world, step, 1).connect(target(step), given(step, { expected_peer: ['expectedPeer', p.PeerId], deadline: seconds })),
    ),
  enter: (world, step) => graph(world, step).enter(target(step)),
  direct: async (world, step) => connectionFacts((await graph(world, step, 1).openDirect(target(step))).info),
  neighbors: async (world, step) => connectionsFacts(await graph(world, step).neighbors()),
  'direct-connections': async (world, step) => connectionsFacts(await graph(world, step).directConnections()),
  disconnect: (world, step) => graph(world, step).disconnect(whole(step.need('connection'))),
  async send(world, step) {
    const receipt = await graph(world, step).send(whole(step.need('connection')), step.need('type'), step.keys.data ?? '')
    return { delivered: await receipt.delivered() }
  },

  publish: async (world, step) =>
    recordFacts(await graph(world, step, 1).publish(step.need('type'), step.keys.body ?? '', content(step))),
  async update(world, step) {
    const changes = { ...content(step), ...given(step, { body: text, expected_version: ['expectedVersion', whole] }) }
    return recordFacts(await graph(world, step, 1).update(p.RecordId(step.need('id')), changes))
  },
  delete: async (world, step) => ({ version: await graph(world, step).delete(p.RecordId(step.need('id'))) }),
  async get(world, step) {
    const found = await graph(world, step, 1).get(step.need('id'))
    return { found: found !== null, ...(found && recordFacts(found)) }
  },
  async list(world, step) {
    const options = given(step, {
      creator: p.PeerId,
      include_deleted: ['includeDeleted', flag],
      include_reserved: ['includeReserved', flag],
      page_size: ['pageSize', whole],
    })
    const pages = []
    for await (const page of graph(world, step).records(step.keys.type, options).pages()) pages.push(page)
    const every = pages.flat()
    return { count: every.length, texts: every.map((record) => record.text), pages: pages.length }
  },

  async conflicts(world, step) {
    const found = []
    for await (const conflict of graph(world, step, 1).conflicts(given(step, { record: p.RecordId }).record)) found.push(conflict)
    world.keep('conflicts', step.names[0], found)
    return { count: found.length, winner: found[0]?.winner.text, loser: found[0]?.loser.text }
  },
  async 'acknowledge-conflict'(world, step) {
    const [first] = world.get('conflicts', step.need('conflict'))
    if (!first) throw new ScriptError('no conflict was found under this name')
    return { known: await graph(world, step).acknowledgeConflict(first.loser) }
  },

  events(world, step) {
    const options = given(step, {
      types: ['recordTypes', many], authors: peers, data_types: ['dataTypes', many], snapshot: flag, after: hex, capacity: whole,
    })
    const kinds = 'kinds' in step.keys ? many(step.keys.kinds) : []
    world.keep('stream', step.names[0], graph(world, step, 1).events(...kinds, options))
  },
  next: nextEvent,
  find: nextEvent,
  drain(world, step) {
    const kinds = [...stream(world, step).drain()].map(({ type }) => type)
    return { count: kinds.length, kinds: ordered([...new Set(kinds)]) }
  },
  cursor: (world, step) => ({ cursor: stream(world, step).cursor }),
  'save-cursor': (world, step) => graph(world, step).saveCursor(step.need('name'), hex(step.need('cursor'))),
  'load-cursor': async (world, step) => ({ cursor: await graph(world, step, 1).loadCursor(step.need('name')) }),
  'close-events': (world, step) => stream(world, step).close(),

  async group(world, step) {
    const rules = given(step, {
      max_chain: ['maxChain', whole], min_version: ['minVersion', whole], properties: text, encrypted_bodies: ['encryptedBodies', flag],
    })
    const types = starting(step, 'rule.').map(([recordType, rule]) => {
      const [publish, edit] = many(rule)
      return { recordType, publish, edit }
    })
    const { name, ...options } = given(step, { name: text, max_record: ['maxRecord', whole], identity: (of) => identity(world, of) })
    return keepGraph(world, step, await node(world, step, 1).createGroup(name, { ...options, rules: { ...rules, types } }))
  },
  'open-group': async (world, step) =>
    keepGraph(world, step, await node(world, step, 1).openGroup(step.need('id'), given(step, { offline: flag }))),
  async 'join-group'(world, step) {
    const options = given(step, { name: text, password: text, deadline: seconds, identity: (of) => identity(world, of) })
    const [watching, facts] = watched(step)
    const joined = await node(world, step, 1).joinGroup(step.need('invitation'), { ...options, ...watching })
    return { ...keepGraph(world, step, joined), ...facts() }
  },
  async rules(world, step) {
    const rules = await graph(world, step).rules()
    return {
      creator_name: rules.creatorName, max_chain: rules.maxChain, min_version: rules.minVersion, properties: rules.properties,
      encrypted_bodies: rules.encryptedBodies, records_end_with_membership: rules.recordsEndWithMembership,
      types: ordered(rules.types.map(({ recordType }) => recordType)),
    }
  },
  role: async (world, step) => ({ role: await graph(world, step).role() }),
  async members(world, step) {
    const every = await graph(world, step).members()
    return { count: every.length, names: ordered(every.map(({ name }) => name)), present: every.filter(({ isPresent }) => isPresent).length }
  },
  async member(world, step) {
    const { name, role, isPresent, issuer } = await graph(world, step).member(p.PeerId(step.need('peer')))
    return { name, role, present: isPresent, issuer }
  },
  link: async (world, step) =>
    invitationOf(
      await graph(world, step, 1).invite(given(step, { role: text, uses: whole, valid: seconds, lifetime: seconds, admitters: peers })),
    ),
  async invite(world, step) {
    const { name, ...options } = given(step, { name: text, role: text, lifetime: seconds })
    const whom = 'whom' in step.keys ? step.keys.whom : { peer: p.PeerId(step.need('peer')), name }
    return invitationOf(await graph(world, step, 1).invite(whom, options))
  },
  password: async (world, step) =>
    invitationOf(await graph(world, step, 1).setPassword(step.need('password'), given(step, { role: text, lifetime: seconds }))),
  'clear-password': (world, step) => graph(world, step).clearPassword(),
  invitation: (_, step) => invitationOf(new p.Invitation(step.need('text'))),
  async invitations(world, step) {
    const every = await graph(world, step).invitations()
    const { key, role, uses, used } = every[0] ?? {}
    return { count: every.length, key, role, uses, used }
  },
  'revoke-invitation': (world, step) => graph(world, step).revokeInvitation(p.PeerId(step.need('key'))),
  renew: (world, step) => graph(world, step).renew(p.PeerId(step.need('peer')), given(step, { lifetime: seconds }).lifetime),
  'set-name': (world, step) => graph(world, step).setName(step.need('name')),
  'set-role': (world, step) => graph(world, step).setRole(p.PeerId(step.need('peer')), step.need('role')),
  remove(world, step) {
    const options = given(step, { reason: text, keep_records: ['keepRecords', flag], with_branch: ['withBranch', flag], undo: flag })
    return graph(world, step).remove(p.PeerId(step.need('peer')), options)
  },
  'revoke-device': (world, step) => graph(world, step).revokeDevice(p.PeerId(step.need('peer')), p.NodeId(step.need('node'))),
  'restore-device': (world, step) => graph(world, step).restoreDevice(p.PeerId(step.need('peer')), p.NodeId(step.need('node'))),
  async 'revoked-devices'(world, step) {
    const every = await graph(world, step).revokedDevices(p.PeerId(step.need('peer')))
    const { node, by } = every[0] ?? {}
    return { count: every.length, node, by }
  },
  leave: (world, step) => graph(world, step).leave(),
  credentials: async (world, step) => ({ count: (await graph(world, step).credentials()).length }),

  'export-database': async (world, step) => ({
    count: await graph(world, step).exportDatabase(join(world.folder, step.need('file')), step.keys.password),
  }),
  'import-database': async (world, step) =>
    graph(world, step).importDatabase(join(world.folder, step.need('file')), step.keys.password, given(step, { exporter: p.PeerId })),
  'export-membership': async (world, step) => ({ text: await graph(world, step).exportMembership(step.need('password')) }),
  'import-membership': async (world, step) =>
    keepGraph(world, step, await node(world, step, 1).importMembership(step.need('text'), step.need('password'))),

  alter(_, step) {
    const whole = step.need('text')
    const middle = whole.length >> 1
    if (step.keys.cut === 'true') return { text: whole.slice(0, middle) }
    return { text: whole.slice(0, middle) + (whole[middle] === 'a' ? 'b' : 'a') + whole.slice(middle + 1) }
  },
}

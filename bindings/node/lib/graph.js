'use strict'
// Graphs: records, events and connections.
const { inspect } = require('node:util')
const { bodyOf } = require('./body.js')
const { asyncDispose, call } = require('./bridge.js')
const {
  binary, bytes, callback, count, flag, listed, maybe, moment, options, orNull, path, signal, span, text, texts, unknown,
  waiting, wrong,
} = require('./check.js')
const { DATA_LIMIT, DirectConnection, SendReceipt } = require('./connection.js')
const { Emitter, KINDS } = require('./emitter.js')
const { sync } = require('./errors.js')
const { packAttributes } = require('./pack.js')
const { Record } = require('./record.js')
const { Pages, Records } = require('./records.js')
const { EventStream } = require('./stream.js')
const { Ticket } = require('./texts.js')

const PUBLISH = { attributes: orNull(packAttributes), expires: orNull(moment), signal }
const UPDATE = { body: (body) => body, attributes: packAttributes, expires: moment, expectedVersion: count, signal }
const RECORDS = { creator: text, includeDeleted: flag, includeReserved: flag, pageSize: count, signal }
const CONFLICTS = { pageSize: count, signal }
const EVENTS = {
  recordTypes: texts, authors: texts, dataTypes: texts, snapshot: flag, after: orNull(binary), capacity: count, signal,
}
const CONNECT = { expectedPeer: text, deadline: span, progress: callback, signal }
const PROPERTIES = {
  name: text,
  comment: text,
  presenceLifetime: span,
  // Without a limit crosses as infinity.
  presenceMax: (value, name) => (value === null ? Infinity : count(value, name)),
  deferExpiration: flag,
  signal,
}

class Graph extends Emitter {
  #native

  constructor(native) {
    const subscribe = (wanted) => subscription(native, wanted)
    super((kinds) => subscribe({ kinds }))
    this.#native = native
  }

  /** For what a group adds. @internal */
  static ask(graph, method, args, options) {
    return graph.#call(method, args, options)
  }

  /** @internal */
  static nativeOf(graph) {
    return graph.#native
  }

  #call(method, args = [], options) {
    return call((bridge, id) => this.#native[method](bridge, id, ...args), options)
  }

  /** Calls with a body: at once where it is there, else when it has come. */
  #write(body, start, signal) {
    if (!(body instanceof Promise)) return call((bridge, id) => start(this.#native, bridge, id, body), { signal })
    return body.then((bytes) => call((bridge, id) => start(this.#native, bridge, id, bytes), { signal }))
  }

  get id() {
    return this.#native.id
  }

  get openOutcome() {
    return this.#native.openOutcome
  }

  // Records

  async publish(recordType, body = '', given) {
    const { attributes, expires, signal } = options(given, PUBLISH)
    const type = text(recordType, 'recordType')
    const content = bodyOf(body, this.#native.recordLimit, signal)
    return this.#write(content, (native, bridge, id, bytes) => native.publish(bridge, id, type, bytes, attributes, expires), signal)
  }

  async update(record, changes) {
    const { body, attributes, expires, expectedVersion, signal } = options(changesOf(changes), UPDATE, 'changes')
    const changed = idOf(record)
    const conditions = { expires, expectedVersion }
    const content = body === undefined ? undefined : bodyOf(body, this.#native.recordLimit, signal)
    return this.#write(content, (native, bridge, id, bytes) => native.update(bridge, id, changed, bytes, attributes, conditions), signal)
  }

  async delete(record, options) {
    return this.#call('delete', [idOf(record)], waiting(options))
  }

  async get(record, options) {
    return this.#call('get', [idOf(record)], waiting(options))
  }

  records(recordType, given) {
    const { signal, pageSize, ...wanted } = options(given, RECORDS)
    const query = { ...wanted, recordType: maybe(text)(recordType, 'recordType'), limit: pageSize }
    return new Records((page, waiting) => this.#call('list', [{ ...query, ...page }], waiting), { signal })
  }

  conflicts(record, given) {
    const { signal, pageSize } = options(given, CONFLICTS)
    const of = record === undefined ? undefined : idOf(record)
    return new Pages(({ after }, waiting) => this.#call('conflicts', [of, after, pageSize], waiting), { signal })
  }

  async acknowledgeConflict(loser, options) {
    return this.#call('acknowledgeConflict', [loserOf(loser)], waiting(options))
  }

  // Events

  events(...kinds) {
    const given = typeof kinds.at(-1) === 'object' && !Array.isArray(kinds.at(-1)) ? kinds.pop() : undefined
    const { signal, ...wanted } = options(given, EVENTS)
    return new EventStream(subscription(this.#native, { ...wanted, kinds: kinds.flat().map(kindOf) }), { signal })
  }

  async saveCursor(name, cursor, options) {
    await this.#call('saveCursor', [text(name, 'name'), binary(cursor, 'cursor')], waiting(options))
  }

  async loadCursor(name, options) {
    return this.#call('loadCursor', [text(name, 'name')], waiting(options))
  }

  // Connections

  async ticket(options) {
    return new Ticket(await this.#call('ticket', [], waiting(options)))
  }

  async listen(options) {
    return this.#call('listen', [], waiting(options))
  }

  async connect(target, given) {
    const { expectedPeer, deadline, progress, signal } = options(given, CONNECT)
    return this.#call('connect', [whom(target), expectedPeer, deadline, progress !== undefined], { signal, progress })
  }

  async enter(target, options) {
    await this.#call('enter', [whom(target)], waiting(options))
  }

  #direct(native) {
    const reach = {
      subscribe: (wanted) => subscription(this.#native, wanted),
      isThere: (connection) => this.#call('directConnection', [connection]),
    }
    return new DirectConnection(native, reach)
  }

  async openDirect(target, options) {
    return this.#direct(await this.#call('openDirect', [whom(target)], waiting(options)))
  }

  async directConnection(connection, options) {
    return this.#direct(await this.#call('directConnection', [count(connection, 'connection')], waiting(options)))
  }

  async send(connection, dataType, data, options) {
    const args = [count(connection, 'connection'), text(dataType, 'dataType'), bytes(data, 'data', DATA_LIMIT)]
    return new SendReceipt(await this.#call('send', args, waiting(options)))
  }

  async disconnect(connection, options) {
    await this.#call('disconnect', [count(connection, 'connection')], waiting(options))
  }

  async nodes(peer, options) {
    return this.#call('nodes', [maybe(text)(peer, 'peer')], waiting(options))
  }

  async nodeInfo(node, options) {
    return this.#call('nodeInfo', [text(node, 'node')], waiting(options))
  }

  async neighbors(options) {
    return this.#call('neighbors', [], waiting(options))
  }

  async directConnections(options) {
    return this.#call('directConnections', [], waiting(options))
  }

  async contacts(options) {
    return this.#call('contacts', [], waiting(options))
  }

  async setNodeAttributes(attributes, options) {
    await this.#call('setNodeAttributes', [maybe(orNull(text))(attributes, 'text')], waiting(options))
  }

  async forcePresence(forced, options) {
    await this.#call('forcePresence', [flag(forced, 'forced')], waiting(options))
  }

  // The graph itself

  async status(options) {
    return this.#call('status', [], waiting(options))
  }

  async syncProgress(options) {
    return this.#call('syncProgress', [], waiting(options))
  }

  async genesis(options) {
    return this.#call('genesis', [], waiting(options))
  }

  async properties(options) {
    return this.#call('properties', [], waiting(options))
  }

  async setProperties(changes) {
    const { signal, ...read } = options(changesOf(changes), PROPERTIES, 'changes')
    return this.#call('setProperties', [read], { signal })
  }

  async peerTime(options) {
    return this.#call('peerTime', [], waiting(options))
  }

  async toPeerTime(local, options) {
    return this.#call('toPeerTime', [moment(local, 'local')], waiting(options))
  }

  async toLocalTime(peer, options) {
    return this.#call('toLocalTime', [moment(peer, 'peer')], waiting(options))
  }

  async fingerprint(options) {
    return this.#call('fingerprint', [], waiting(options))
  }

  async exportDatabase(file, password, options) {
    return this.#call('exportDatabase', [path(file, 'path'), maybe(text)(password, 'password')], waiting(options))
  }

  async importDatabase(file, password, given) {
    const { exporter, signal } = options(given, { exporter: text, signal: CONNECT.signal })
    return this.#call('importDatabase', [path(file, 'path'), maybe(text)(password, 'password'), exporter], { signal })
  }

  async close(options) {
    await this.#call('close', [], waiting(options))
    this.over()
  }

  async [asyncDispose]() {
    await this.close()
  }

  [inspect.custom]() {
    return `${this.constructor.name} ${this.id.slice(0, 10)}`
  }
}

function subscription(native, { kinds, recordTypes = [], authors = [], dataTypes = [], snapshot = false, after, capacity }) {
  return sync(() => native.subscribe({ kinds, recordTypes, authors, dataTypes, snapshot, capacity }, after))
}

function kindOf(kind, at) {
  const name = `kinds[${at}]`
  if (!KINDS.includes(text(kind, name, 'the name of an event'))) throw unknown(`${name}: there is no event`, kind, KINDS)
  return kind
}

/** Changes have to be said: leaving them out, or giving the new text itself, would change nothing in silence. */
function changesOf(changes) {
  if (changes === undefined) throw wrong('changes', 'an object', changes)
  return changes
}

const idOf = (record) => text(typeof record === 'object' && record !== null ? record.id : record, 'record', 'a Record or its id')

/** Which version lost: by the record of it, as an event or a list gave it. */
function loserOf(loser) {
  const element = loser instanceof Record ? Record.elementOf(loser) : undefined
  if (element === undefined) throw wrong('loser', 'the Record that lost, as an event or conflicts() gave it', loser)
  return element
}

/** Whom to reach, for the native half. */
function whom(target) {
  if (typeof target === 'string') return { ticket: text(target, 'target') }
  if (target instanceof Ticket) return { ticket: target.toString() }
  if (Array.isArray(target)) return { addrs: target.map((each, at) => address(each, `target[${at}]`)) }
  if (typeof target === 'object' && target !== null) {
    if (target.addrs !== undefined || target.relay != null) return { addr: address(target, 'target') }
    if (target.node !== undefined) return { node: text(target.node, 'target.node') }
    if (target.peer !== undefined) return { peer: text(target.peer, 'target.peer') }
  }
  throw wrong('target', 'a Ticket or its text, { node }, { peer }, a NodeAddr or an array of these', target)
}

function address(given, name) {
  const { node, addrs, relay } = options(given, { node: text, addrs: listed, relay: orNull(text) }, name)
  return { node: text(node, `${name}.node`), addrs, relay }
}

module.exports = { Graph }

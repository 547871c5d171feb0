'use strict'
// Graphs: records, events and connections.
const { fileURLToPath } = require('node:url')
const { inspect } = require('node:util')
const { asyncDispose, call } = require('./bridge.js')
const { DirectConnection, SendReceipt } = require('./connection.js')
const { Emitter } = require('./emitter.js')
const { sync } = require('./errors.js')
const { packAttributes } = require('./pack.js')
const { Records } = require('./records.js')
const { EventStream } = require('./stream.js')
const { Ticket, bytes } = require('./texts.js')

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

  get id() {
    return this.#native.id
  }

  get openOutcome() {
    return this.#native.openOutcome
  }

  // Records

  async publish(recordType, body = '', { attributes, expires } = {}) {
    const given = attributes == null ? undefined : packAttributes(attributes)
    return this.#call('publish', [recordType, await content(body), given, time(expires)])
  }

  async update(record, { body, attributes, expires, expectedVersion } = {}) {
    const given = attributes == null ? undefined : packAttributes(attributes)
    const now = body == null ? undefined : await content(body)
    return this.#call('update', [idOf(record), now, given, { expires: time(expires), expectedVersion }])
  }

  async delete(record) {
    return this.#call('delete', [idOf(record)])
  }

  async get(record) {
    return this.#call('get', [idOf(record)])
  }

  records(recordType, options = {}) {
    const { creator, includeDeleted, includeReserved, pageSize } = options
    const query = { recordType, creator, includeDeleted, includeReserved, limit: pageSize }
    return new Records((page, waiting) => this.#call('list', [{ ...query, ...page }], waiting), options)
  }

  // Events

  events(...kinds) {
    const options = typeof kinds.at(-1) === 'object' ? kinds.pop() : {}
    const { signal, ...wanted } = options
    return new EventStream(subscription(this.#native, { ...wanted, kinds: kinds.flat() }), { signal })
  }

  async saveCursor(name, cursor) {
    await this.#call('saveCursor', [name, cursor])
  }

  async loadCursor(name) {
    return this.#call('loadCursor', [name])
  }

  // Connections

  async ticket() {
    return new Ticket(await this.#call('ticket'))
  }

  async listen() {
    return this.#call('listen')
  }

  async connect(target, { expectedPeer, deadline, progress, signal } = {}) {
    const args = [whom(target), expectedPeer, deadline, progress !== undefined]
    return this.#call('connect', args, { signal, progress })
  }

  async enter(target, options) {
    await this.#call('enter', [whom(target)], options)
  }

  #direct(native) {
    return new DirectConnection(native, (wanted) => subscription(this.#native, wanted))
  }

  async openDirect(target, options) {
    return this.#direct(await this.#call('openDirect', [whom(target)], options))
  }

  async directConnection(connection) {
    return this.#direct(await this.#call('directConnection', [connection]))
  }

  async send(connection, dataType, data, options) {
    return new SendReceipt(await this.#call('send', [connection, dataType, bytes(data)], options))
  }

  async disconnect(connection) {
    await this.#call('disconnect', [connection])
  }

  async nodes(peer) {
    return this.#call('nodes', [peer])
  }

  async nodeInfo(node) {
    return this.#call('nodeInfo', [node])
  }

  async neighbors() {
    return this.#call('neighbors')
  }

  async directConnections() {
    return this.#call('directConnections')
  }

  async contacts() {
    return this.#call('contacts')
  }

  async setNodeAttributes(text) {
    await this.#call('setNodeAttributes', [text])
  }

  async forcePresence(forced) {
    await this.#call('forcePresence', [forced])
  }

  // The graph itself

  async status() {
    return this.#call('status')
  }

  async genesis() {
    return this.#call('genesis')
  }

  async properties() {
    return this.#call('properties')
  }

  async setProperties({ presenceMax, ...changes }) {
    return this.#call('setProperties', [{ ...changes, presenceMax: presenceMax === null ? Infinity : presenceMax }])
  }

  async peerTime() {
    return this.#call('peerTime')
  }

  async toPeerTime(local) {
    return this.#call('toPeerTime', [time(local)])
  }

  async toLocalTime(peer) {
    return this.#call('toLocalTime', [time(peer)])
  }

  async fingerprint() {
    return this.#call('fingerprint')
  }

  async exportDatabase(path, password) {
    return this.#call('exportDatabase', [file(path), password])
  }

  async importDatabase(path, password, { exporter } = {}) {
    return this.#call('importDatabase', [file(path), password, exporter])
  }

  async close() {
    await this.#call('close')
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
  const wanted = { kinds, recordTypes: names(recordTypes), authors: names(authors), dataTypes: names(dataTypes), snapshot, capacity }
  return sync(() => native.subscribe(wanted, after ?? undefined))
}

const names = (given) => (typeof given === 'string' ? [given] : [...given])

const idOf = (record) => (typeof record === 'object' && record !== null ? record.id : record)

const file = (path) => (path instanceof URL ? fileURLToPath(path) : path)

function time(moment) {
  if (moment == null) return undefined
  if (!(moment instanceof Date)) throw new TypeError('a moment is a Date')
  return moment.getTime()
}

/** A body: bytes or text, or what gives bytes piece by piece. */
async function content(body) {
  if (typeof body?.arrayBuffer === 'function') return new Uint8Array(await body.arrayBuffer())
  if (body?.[Symbol.asyncIterator] === undefined) return bytes(body)
  const parts = []
  for await (const part of body) parts.push(bytes(part))
  return Buffer.concat(parts)
}

/** Whom to reach, for the native half. */
function whom(target) {
  if (typeof target === 'string') return { ticket: target }
  if (target instanceof Ticket) return { ticket: target.toString() }
  if (Array.isArray(target)) return { addrs: target.map(address) }
  if (typeof target === 'object' && target !== null) {
    if (target.addrs !== undefined || target.relay != null) return { addr: address(target) }
    if (target.node !== undefined) return { node: target.node }
    if (target.peer !== undefined) return { peer: target.peer }
  }
  throw new TypeError('one can connect to a Ticket, { node }, { peer }, a NodeAddr or several of them')
}

const address = ({ node, addrs, relay }) => ({ node, addrs, relay: relay ?? undefined })

module.exports = { Graph, time }

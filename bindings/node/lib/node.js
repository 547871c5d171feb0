'use strict'
// Nodes: where a program begins.
const { resolve } = require('node:path')
const { inspect } = require('node:util')
const { asyncDispose, call, native, tell, until } = require('./bridge.js')
const { binary, callback, count, flag, listed, maybe, options, orNull, path, signal, span, text, waiting, wrong } = require('./check.js')
const { Known } = require('./emitter.js')
const { sync } = require('./errors.js')
const { Graph } = require('./graph.js')
const { Group } = require('./group.js')
const { Identities, Identity } = require('./identities.js')
const { copied } = require('./own.js')
const { unpack } = require('./pack.js')
const { Invitation, Ticket, told } = require('./texts.js')

const hidden = (read) => Object.assign(read, { secret: true })
const secretText = hidden((value, name) => text(value, name))
const secretBytes = hidden((value, name) => copied(binary(value, name)))

/** A folder, or false for none: a node in memory. */
function folder(value, name) {
  if (value === false) return false
  if (value == null) throw wrong(name, 'a folder (a string or file URL), or false for a node in memory', value)
  // The current directory may be another one once a source of the key has answered.
  return resolve(path(value, name))
}

const CONFIG = {
  dataDir: folder,
  identity: secretBytes,
  passphrase: secretText,
  key: secretBytes,
  keySource: callback,
  encryptDatabase: flag,
  network: text,
  relays: listed,
  lookup: text,
  bind: listed,
  mdns: flag,
  targetNeighbors: count,
  maxNeighbors: count,
  minNeighbors: count,
  pingInterval: span,
  durability: text,
  tombstoneLifetime: span,
  version: text,
}

/** A configuration that shows no secret: neither when it is shown nor as JSON. */
function discreet(config) {
  const secret = (name) => CONFIG[name]?.secret && config[name] !== undefined
  const shown = (depth, options) =>
    inspect(Object.fromEntries(Object.entries(config).map(([name, value]) => [name, secret(name) ? '(hidden)' : value])), options)
  const json = () => Object.fromEntries(Object.entries(config).filter(([name]) => !secret(name)))
  Object.defineProperty(config, inspect.custom, { value: shown, configurable: true })
  return Object.defineProperty(config, 'toJSON', { value: json, configurable: true })
}

/** A node that binds a free port of the loopback interface and looks for nobody: for tests. */
function loopback(...dataDir) {
  return { dataDir: dataDir.length === 0 ? false : folder(dataDir[0], 'dataDir'), bind: ['127.0.0.1:0'], mdns: false }
}

/** For a device that should sleep. */
function lowPower(config = {}) {
  options(config, CONFIG, 'config')
  const [pingInterval, targetNeighbors, maxNeighbors, minNeighbors] = native.lowPower()
  return discreet({ ...config, pingInterval, targetNeighbors, maxNeighbors, minNeighbors })
}

const PROPERTIES = {
  name: text,
  comment: text,
  presenceLifetime: span,
  // Properties as others told them have `null` for what is not limited.
  presenceMax: orNull(count),
  deferExpiration: flag,
}
const properties = (value, name) => options(value, PROPERTIES, name)
const RULE = { recordType: text, publish: text, edit: text }
const RULES = {
  creatorName: text,
  minVersion: count,
  maxChain: count,
  properties: text,
  recordsEndWithMembership: flag,
  encryptedBodies: flag,
  types(value, name) {
    if (!Array.isArray(value)) throw wrong(name, 'an array', value)
    return value.map((rule, at) => options(rule, RULE, `${name}[${at}]`))
  },
}
const MAKING = { properties, maxRecord: count, precedence: listed, signal }
const CREATE_GRAPH = { ...MAKING, seed: (value, name) => copied(binary(value, name)) }
const CREATE_GROUP = { ...MAKING, rules: (value, name) => options(value, RULES, name), identity: Identity.nativeOf }
const OPEN = { precedence: listed, offline: flag, signal }
const JOIN = { deadline: span, onProgress: callback, signal }
const JOIN_GROUP = { ...JOIN, name: text, identity: Identity.nativeOf, password: text }

class Node extends Known {
  #native
  // Those that have listeners are held by their subscriptions; the others may be forgotten.
  #open = new Set()
  #refed = true
  #over = false

  constructor(token) {
    super(['open'])
    if (!(token instanceof native.NativeNode)) throw new TypeError('a Node is made by Node.open, Node.inMemory or Node.start')
    this.#native = token
  }

  static async open(dataDir, options) {
    const told = folder(dataDir, 'dataDir')
    if (told === false) throw wrong('dataDir', 'a folder (a string or file URL); Node.inMemory opens a node without one', told)
    return Node.start({ dataDir: told }, options)
  }

  static async inMemory(options) {
    return Node.start({ dataDir: false }, options)
  }

  static async start(config, given) {
    const { keySource, dataDir, ...rest } = options(config ?? wrongConfig(config), CONFIG, 'config')
    // One that has a name and no value, such as a variable of the environment that is not set, is no wish for a node in
    // memory; nor is one that is misspelt.
    if (dataDir === undefined) folder(undefined, 'dataDir')
    const waits = waiting(given)
    const sourced = keySource !== undefined
    // In memory nothing is sealed.
    waits?.signal?.throwIfAborted()
    const asked = sourced && dataDir !== false ? await until(keySource(), waits?.signal) : undefined
    const told = asked === undefined ? undefined : copied(binary(asked, 'what keySource gave'))
    const read = { ...rest, dataDir: dataDir === false ? undefined : dataDir, sourced, asked: told }
    return new Node(await call((bridge, id) => native.NativeNode.start(bridge, id, read), waits))
  }

  #call(method, args = [], options) {
    return call((bridge, id) => this.#native[method](bridge, id, ...args), options)
  }

  #opened(graph) {
    const reference = new WeakRef(graph)
    this.#open.add(reference)
    graph.once('close', () => this.#open.delete(reference))
    if (!this.#refed) graph.unref()
    tell(this, 'open', graph)
    return graph
  }

  *#handles() {
    for (const reference of this.#open) {
      const graph = reference.deref()
      if (graph === undefined) this.#open.delete(reference)
      else yield graph
    }
  }

  async #graph(method, args, options) {
    return this.#opened(new Graph(await this.#call(method, args, options)))
  }

  async #group(method, args, options) {
    return this.#opened(new Group(await this.#call(method, args, options)))
  }

  get id() {
    return this.#native.id
  }

  get peerId() {
    return this.#native.peerId
  }

  get identities() {
    return new Identities(this.#native.identities)
  }

  get addr() {
    return unpack(this.#native.addr())
  }

  get bound() {
    return this.#native.bound()
  }

  get metrics() {
    const metrics = unpack(this.#native.metrics())
    // Numbers of 64 bits, which JSON does not have.
    const json = () => Object.fromEntries(Object.entries(metrics).map(([name, value]) => [name, jsonNumber(value)]))
    return Object.defineProperty(metrics, 'toJSON', { value: json })
  }

  async createGraph(name, making) {
    const { signal, ...read } = options(making, CREATE_GRAPH)
    return this.#graph('createGraph', [{ ...read, name: nameOf(name, read) }], { signal })
  }

  async openGraph(graph, given) {
    const { signal, ...opening } = options(given, OPEN)
    const asked = told(graph, 'graph', Ticket)
    return this.#graph('openGraph', [asked, asked.includes(':'), opening], { signal })
  }

  async join(ticket, given) {
    const { deadline, onProgress: progress, signal } = options(given, JOIN)
    return this.#graph('join', [told(ticket, 'ticket', Ticket), deadline, progress !== undefined], { signal, progress })
  }

  async createGroup(name, making) {
    const { identity, signal, ...read } = options(making, CREATE_GROUP)
    return this.#group('createGroup', [{ ...read, name: nameOf(name, read) }, identity], { signal })
  }

  async openGroup(group, given) {
    const { signal, ...opening } = options(given, OPEN)
    return this.#group('openGroup', [text(group, 'group'), opening], { signal })
  }

  async joinGroup(invitation, joining) {
    const { identity, onProgress: progress, signal, ...read } = options(joining, JOIN_GROUP)
    const asked = { ...read, invitation: told(invitation, 'invitation', Invitation), progress: progress !== undefined }
    return this.#group('joinGroup', [asked, identity], { signal, progress })
  }

  async importMembership(membership, password, options) {
    return this.#group('importMembership', [text(membership, 'text'), text(password, 'password')], waiting(options))
  }

  get openGraphs() {
    return this.#native.openGraphs()
  }

  get storedGraphs() {
    return this.#native.storedGraphs()
  }

  get storedGroups() {
    return sync(() => this.#native.storedGroups())
  }

  async deleteGraph(graph, options) {
    await this.#call('deleteGraph', [text(graph, 'graph')], waiting(options))
  }

  ref() {
    this.#refed = true
    for (const graph of this.#handles()) graph.ref()
    return this
  }

  unref() {
    this.#refed = false
    for (const graph of this.#handles()) graph.unref()
    return this
  }

  async pause(options) {
    await this.#call('pause', [], waiting(options))
  }

  async resume(options) {
    await this.#call('resume', [], waiting(options))
  }

  get isPaused() {
    return this.#native.isPaused
  }

  async networkChanged(options) {
    await this.#call('networkChanged', [], waiting(options))
  }

  async shutdown(options) {
    await this.#call('shutdown', [], waiting(options))
    for (const graph of this.#handles()) graph.over()
    if (this.#over) return
    this.#over = true
    tell(this, 'close')
  }

  async [asyncDispose]() {
    await this.shutdown()
  }

  [inspect.custom]() {
    return `Node ${this.id.slice(0, 10)} of ${this.peerId.slice(0, 10)}`
  }
}

function wrongConfig(config) {
  throw wrong('config', 'an object; Node.open(dataDir) opens a node on a folder, Node.inMemory() one in memory', config)
}

const jsonNumber = (value) => (typeof value === 'bigint' && value > Number.MAX_SAFE_INTEGER ? value.toString() : Number(value))

/** The name of what is made: the argument's, unless there is none and the properties have one. */
function nameOf(name, { properties }) {
  const given = maybe(text)(name, 'name')
  return given === undefined || (given === '' && properties?.name) ? undefined : given
}

module.exports = { Node, loopback, lowPower }

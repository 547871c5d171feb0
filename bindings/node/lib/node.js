'use strict'
// Nodes: where a program begins.
const { EventEmitter } = require('node:events')
const { fileURLToPath } = require('node:url')
const { inspect } = require('node:util')
const { asyncDispose, call, native } = require('./bridge.js')
const { sync } = require('./errors.js')
const { Graph } = require('./graph.js')
const { Group } = require('./group.js')
const { Identities, Identity } = require('./identities.js')
const { unpack } = require('./pack.js')

/** A node that binds a free port of the loopback interface and looks for nobody: for tests. */
const loopback = (dataDir) => ({ dataDir, bind: ['127.0.0.1:0'], mdns: false })

/** For a device that should sleep. */
function lowPower(config = {}) {
  const [pingInterval, targetNeighbors, maxNeighbors, minNeighbors] = native.lowPower()
  return { ...config, pingInterval, targetNeighbors, maxNeighbors, minNeighbors }
}

class Node extends EventEmitter {
  #native
  // Those that have listeners are held by their subscriptions; the others may be forgotten.
  #open = new Set()
  #refed = true
  #over = false

  constructor(token) {
    super({ captureRejections: true })
    if (!(token instanceof native.NativeNode)) throw new TypeError('a Node is made by Node.open, Node.inMemory or Node.start')
    this.#native = token
  }

  static async open(dataDir, options) {
    return Node.start({ dataDir }, options)
  }

  static async inMemory(options) {
    return Node.start({}, options)
  }

  static async start({ dataDir, keySource, ...rest } = {}, options) {
    const path = dataDir instanceof URL ? fileURLToPath(dataDir) : (dataDir ?? undefined)
    const sourced = keySource !== undefined
    // In memory nothing is sealed.
    const asked = sourced && path !== undefined ? await keySource() : undefined
    const config = { ...rest, dataDir: path, sourced, asked: asked && Buffer.from(asked) }
    return new Node(await call((bridge, id) => native.NativeNode.start(bridge, id, config), options))
  }

  #call(method, args = [], options) {
    return call((bridge, id) => this.#native[method](bridge, id, ...args), options)
  }

  #opened(graph) {
    const reference = new WeakRef(graph)
    this.#open.add(reference)
    graph.once('close', () => this.#open.delete(reference))
    if (!this.#refed) graph.unref()
    this.emit('open', graph)
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
    return unpack(this.#native.metrics())
  }

  async createGraph(name, options = {}) {
    return this.#graph('createGraph', [{ ...options, name: nameOf(name, options), properties: given(options.properties) }])
  }

  async openGraph(graph, { precedence = [] } = {}) {
    const text = String(graph)
    return this.#graph('openGraph', [text, text.includes(':'), precedence])
  }

  async join(ticket, options) {
    return this.#graph('join', [String(ticket)], options)
  }

  async createGroup(name, { identity, ...options } = {}) {
    const making = { ...options, name: nameOf(name, options), properties: given(options.properties) }
    return this.#group('createGroup', [making, Identity.nativeOf(identity)])
  }

  async openGroup(group) {
    return this.#group('openGroup', [group])
  }

  async joinGroup(invitation, { identity, signal, ...options } = {}) {
    const joining = { ...options, invitation: String(invitation) }
    return this.#group('joinGroup', [joining, Identity.nativeOf(identity)], { signal })
  }

  async importMembership(text, password) {
    return this.#group('importMembership', [text, password])
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

  async deleteGraph(graph) {
    await this.#call('deleteGraph', [graph])
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

  async pause() {
    await this.#call('pause')
  }

  async resume() {
    await this.#call('resume')
  }

  get isPaused() {
    return this.#native.isPaused
  }

  async networkChanged() {
    await this.#call('networkChanged')
  }

  async shutdown() {
    await this.#call('shutdown')
    for (const graph of this.#handles()) graph.over()
    if (this.#over) return
    this.#over = true
    this.emit('close')
  }

  async [asyncDispose]() {
    await this.shutdown()
  }

  [inspect.custom]() {
    return `Node ${this.id.slice(0, 10)} of ${this.peerId.slice(0, 10)}`
  }
}

const nameOf = (name, { properties }) => (name === undefined || (name === '' && properties?.name) ? undefined : name)

/** Properties as others told them have `null` for what is not limited. */
function given(properties) {
  if (properties == null) return undefined
  return { ...properties, presenceMax: properties.presenceMax ?? undefined }
}

module.exports = { Node, loopback, lowPower }

'use strict'
// Identities: making, naming, describing, moving and deleting them; signing with them.
const { inspect } = require('node:util')
const { call } = require('./bridge.js')
const { binary, bytes, maybe, options, orNull, signal, text, waiting, wrong } = require('./check.js')
const { sync } = require('./errors.js')
const { IdentityDescription, PeerName, told } = require('./texts.js')

const CREATE = { classifier: text, key: binary, signal }

class Identity {
  #native

  constructor(native) {
    this.#native = native
  }

  /** @internal */
  static nativeOf(identity, name) {
    if (typeof identity !== 'object' || identity === null || !(#native in identity)) throw wrong(name, 'an Identity', identity)
    return identity.#native
  }

  get peerId() {
    return this.#native.peerId
  }

  get peerName() {
    return new PeerName(this.#native.peerName)
  }

  get name() {
    return this.#native.name
  }

  async rename(name, options) {
    const given = maybe(orNull(text))(name, 'name')
    await call((bridge, id) => this.#native.rename(bridge, id, given), waiting(options))
  }

  describe() {
    return new IdentityDescription(sync(() => this.#native.describe()))
  }

  async export(password, options) {
    const given = text(password, 'password')
    return call((bridge, id) => this.#native.export(bridge, id, given), waiting(options))
  }

  sign(message) {
    const given = bytes(message, 'message')
    return sync(() => this.#native.sign(given))
  }

  async groups(options) {
    return call((bridge, id) => this.#native.groups(bridge, id), waiting(options))
  }

  async delete(options) {
    await call((bridge, id) => this.#native.delete(bridge, id), waiting(options))
  }

  toJSON() {
    return { peerId: this.peerId, name: this.name }
  }

  [inspect.custom]() {
    return `Identity ${inspect(this.name)} ${this.peerId.slice(0, 10)}`
  }
}

class Identities {
  #native

  constructor(native) {
    this.#native = native
  }

  async create(name, given) {
    const { classifier, key, signal } = options(given, CREATE)
    const named = maybe(text)(name, 'name')
    return new Identity(await call((bridge, id) => this.#native.create(bridge, id, named, classifier, key), { signal }))
  }

  list() {
    return this.#native.list().map((native) => new Identity(native))
  }

  [Symbol.iterator]() {
    return this.list().values()
  }

  async default(options) {
    return new Identity(await call((bridge, id) => this.#native.default(bridge, id), waiting(options)))
  }

  async setDefault(identity, options) {
    const name = identity instanceof Identity ? String(identity.peerName) : told(identity, 'identity', PeerName)
    await call((bridge, id) => this.#native.setDefault(bridge, id, name), waiting(options))
  }

  get(name) {
    const given = told(name, 'name', PeerName)
    return new Identity(sync(() => this.#native.get(given)))
  }

  async importIdentity(exported, password, options) {
    const [given, opener] = [text(exported, 'text'), text(password, 'password')]
    return new Identity(await call((bridge, id) => this.#native.importIdentity(bridge, id, given, opener), waiting(options)))
  }
}

module.exports = { Identities, Identity }

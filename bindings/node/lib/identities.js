'use strict'
// Identities: making, naming, describing, moving and deleting them; signing with them.
const { inspect } = require('node:util')
const { call } = require('./bridge.js')
const { sync } = require('./errors.js')
const { IdentityDescription, PeerName, bytes } = require('./texts.js')

class Identity {
  #native

  constructor(native) {
    this.#native = native
  }

  /** @internal */
  static nativeOf(identity) {
    if (identity == null) return undefined
    if (!(#native in identity)) throw new TypeError('an identity is an Identity')
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

  async rename(name) {
    await call((bridge, id) => this.#native.rename(bridge, id, name))
  }

  describe() {
    return new IdentityDescription(sync(() => this.#native.describe()))
  }

  async export(password) {
    return call((bridge, id) => this.#native.export(bridge, id, password))
  }

  sign(message) {
    return sync(() => this.#native.sign(bytes(message)))
  }

  async groups() {
    return call((bridge, id) => this.#native.groups(bridge, id))
  }

  async delete() {
    await call((bridge, id) => this.#native.delete(bridge, id))
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

  async create(name, { classifier, key } = {}) {
    return new Identity(await call((bridge, id) => this.#native.create(bridge, id, name, classifier, key)))
  }

  list() {
    return this.#native.list().map((native) => new Identity(native))
  }

  [Symbol.iterator]() {
    return this.list().values()
  }

  async default() {
    return new Identity(await call((bridge, id) => this.#native.default(bridge, id)))
  }

  async setDefault(identity) {
    const name = String(identity instanceof Identity ? identity.peerName : identity)
    await call((bridge, id) => this.#native.setDefault(bridge, id, name))
  }

  get(name) {
    return new Identity(sync(() => this.#native.get(String(name))))
  }

  async importIdentity(text, password) {
    return new Identity(await call((bridge, id) => this.#native.importIdentity(bridge, id, text, password)))
  }
}

module.exports = { Identities, Identity }

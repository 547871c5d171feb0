'use strict'
// What people hand to each other as text: identifiers, tickets, invitations, descriptions of identities, names.
const { inspect } = require('node:util')
const { native } = require('./bridge.js')
const { sync } = require('./errors.js')
const { unpack } = require('./pack.js')

const id = (parse, from) => (value) =>
  sync(() => (value instanceof Uint8Array ? from(value) : parse(value instanceof String ? String(value) : value)))

const PeerId = id(native.peerId, native.peerIdFrom)
const NodeId = id(native.nodeId, native.nodeIdFrom)
const GraphId = id(native.graphId, native.graphIdFrom)
const RecordId = id(native.recordId, native.recordIdFrom)

/** True if an identity signed this message. */
const verify = (peer, message, signature) => sync(() => native.verify(peer, bytes(message), signature))

/** What a caller gives as bytes; text is encoded as UTF-8. */
function bytes(value) {
  if (typeof value === 'string') return Buffer.from(value, 'utf8')
  if (value instanceof Uint8Array) return value
  if (value instanceof ArrayBuffer) return new Uint8Array(value)
  if (ArrayBuffer.isView(value)) return new Uint8Array(value.buffer, value.byteOffset, value.byteLength)
  throw new TypeError(`bytes are a Uint8Array, an ArrayBuffer or a string, not of type ${value === null ? 'null' : typeof value}`)
}

/** What has one text form, which says it all. */
class Text {
  #text

  constructor(fields) {
    const { text, ...others } = fields
    this.#text = text
    Object.assign(this, others)
    Object.freeze(this)
  }

  equals(other) {
    return other instanceof this.constructor && String(other) === this.#text
  }

  toString() {
    return this.#text
  }

  toJSON() {
    return this.#text
  }

  [inspect.custom](depth, options) {
    return `${this.constructor.name} ${inspect({ ...this }, options)}`
  }
}

class Ticket extends Text {
  constructor(text) {
    const fields = sync(() => native.ticket(String(text)))
    super({ ...fields, nodes: unpack(fields.nodes) })
  }

  [inspect.custom]() {
    return `Ticket to ${this.graph.slice(0, 10)}, ${this.nodes.length} nodes`
  }
}

class Invitation extends Text {
  constructor(text) {
    const fields = sync(() => native.invitation(String(text)))
    super({
      ...fields,
      notBefore: new Date(fields.notBefore),
      notAfter: fields.notAfter == null ? null : new Date(fields.notAfter),
      subject: fields.subject ?? null,
      uses: fields.uses ?? null,
      nodes: unpack(fields.nodes),
    })
  }

  qrSvg() {
    return sync(() => native.qrSvg(this.toString()))
  }

  qrText() {
    return sync(() => native.qrText(this.toString()))
  }
}

class PeerName extends Text {
  constructor(text) {
    const fields = typeof text === 'object' && text.text !== undefined ? text : sync(() => native.peerName(String(text)))
    super({ ...fields, peer: fields.peer ?? null, classifier: fields.classifier ?? null })
  }

  static secured(peer, classifier) {
    return new PeerName(sync(() => native.makePeerName(peer, classifier)))
  }

  static unsecured(classifier) {
    return new PeerName(sync(() => native.makePeerName(undefined, classifier)))
  }

  derive(classifier) {
    return new PeerName(sync(() => native.derivePeerName(this.toString(), classifier)))
  }
}

class IdentityDescription extends Text {
  constructor(text) {
    const fields = typeof text === 'object' && text.text !== undefined ? text : sync(() => native.identityDescription(String(text)))
    super({ ...fields, peerName: new PeerName(fields.peerName) })
  }
}

module.exports = { PeerId, NodeId, GraphId, RecordId, verify, bytes, Ticket, Invitation, PeerName, IdentityDescription }

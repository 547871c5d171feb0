'use strict'
// What people hand to each other as text: identifiers, tickets, invitations, descriptions of identities, names.
const { inspect, types } = require('node:util')
const { native } = require('./bridge.js')
const { binary, bytes, maybe, text } = require('./check.js')
const { sync } = require('./errors.js')
const { unpack } = require('./pack.js')

const id = (parse, from, name) => (value) => {
  if (ArrayBuffer.isView(value) || types.isAnyArrayBuffer(value)) return sync(() => from(binary(value, name)))
  const given = text(value, name, 'a string or Uint8Array')
  return sync(() => parse(given))
}

const PeerId = id(native.peerId, native.peerIdFrom, 'a PeerId')
const NodeId = id(native.nodeId, native.nodeIdFrom, 'a NodeId')
const GraphId = id(native.graphId, native.graphIdFrom, 'a GraphId')
const RecordId = id(native.recordId, native.recordIdFrom, 'a RecordId')

/** True if an identity signed this message. */
function verify(peer, message, signature) {
  const given = [text(peer, 'peer'), bytes(message, 'message'), binary(signature, 'signature')]
  return sync(() => native.verify(...given))
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

/** A text, or what has one as a value of a class. */
const told = (value, name, Kind) => (value instanceof Kind ? value.toString() : text(value, name, `a ${Kind.name} or a string`))

/** What lets in whoever has it: its text is for who shall come, and not in JSON, which ends up in logs. */
class Secret extends Text {
  toJSON() {
    return { ...this }
  }
}

class Ticket extends Secret {
  constructor(ticket) {
    const given = told(ticket, 'ticket', Ticket)
    const fields = sync(() => native.ticket(given))
    super({ ...fields, nodes: unpack(fields.nodes) })
  }

  [inspect.custom]() {
    return `Ticket to ${this.graph.slice(0, 10)}, ${this.nodes.length} nodes`
  }
}

class Invitation extends Secret {
  constructor(invitation) {
    const given = told(invitation, 'invitation', Invitation)
    const fields = sync(() => native.invitation(given))
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

/** Fields that the native half gave already. */
const areFields = (given) => typeof given === 'object' && given !== null && !(given instanceof Text) && typeof given.text === 'string'

class PeerName extends Text {
  constructor(name) {
    const read = () => told(name, 'name', PeerName)
    const fields = areFields(name) ? name : sync(() => native.peerName(read()))
    super({ ...fields, peer: fields.peer ?? null, classifier: fields.classifier ?? null })
  }

  static secured(peer, classifier) {
    const given = [text(peer, 'peer'), maybe(text)(classifier, 'classifier')]
    return new PeerName(sync(() => native.makePeerName(...given)))
  }

  static unsecured(classifier) {
    const given = text(classifier, 'classifier')
    return new PeerName(sync(() => native.makePeerName(undefined, given)))
  }

  derive(classifier) {
    const given = maybe(text)(classifier, 'classifier')
    return new PeerName(sync(() => native.derivePeerName(this.toString(), given)))
  }
}

class IdentityDescription extends Text {
  constructor(description) {
    const read = () => told(description, 'description', IdentityDescription)
    const fields = areFields(description) ? description : sync(() => native.identityDescription(read()))
    super({ ...fields, peerName: new PeerName(fields.peerName) })
  }
}

module.exports = { PeerId, NodeId, GraphId, RecordId, verify, told, Ticket, Invitation, PeerName, IdentityDescription }

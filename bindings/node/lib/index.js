'use strict'
const { PeergraphError, ERRORS, classes } = require('./errors.js')
const { Float } = require('./pack.js')
const { Record } = require('./record.js')
const { RecordChanged, IncomingData } = require('./events.js')
const { EventStream } = require('./stream.js')
const texts = require('./texts.js')
const { DirectConnection, SendReceipt } = require('./connection.js')
const { Identities, Identity } = require('./identities.js')
const { Pages, Records } = require('./records.js')
const { Graph } = require('./graph.js')
const { Group, ROLES, compareRoles } = require('./group.js')
const { Node, loopback, lowPower } = require('./node.js')

const { PeerId, NodeId, GraphId, RecordId, verify, Ticket, Invitation, PeerName, IdentityDescription } = texts

module.exports = {
  Node, loopback, lowPower, Graph, Group, Record, Pages, Records, RecordChanged, IncomingData, EventStream, DirectConnection, SendReceipt,
  Identities, Identity, ROLES, compareRoles, PeerId, NodeId, GraphId, RecordId, verify, Ticket, Invitation, PeerName, IdentityDescription, Float,
  PeergraphError, ERRORS, ...classes,
}

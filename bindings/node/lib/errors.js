'use strict'
// Every error of the library: one hierarchy, each with a stable number. `test/api.test.mjs` compares it with the library's.
const { constants } = require('node:os')
const { types } = require('node:util')

class PeergraphError extends Error {
  static code = 0
  static kind = ''

  constructor(message, options) {
    super(message, options)
    this.code = new.target.code
    this.kind = new.target.kind
  }
}
Object.defineProperty(PeergraphError.prototype, 'name', { value: 'PeergraphError', configurable: true, writable: true })

const KINDS = {
  1: 'InvalidArgument', 2: 'InvalidTicket', 3: 'InvalidId', 4: 'Reserved', 5: 'TooLarge', 6: 'InvalidExpiration',
  7: 'UnsupportedVersion', 8: 'InvalidInvitation', 9: 'InvalidPeriod', 20: 'NotFound', 21: 'Deleted',
  22: 'AlreadyExists', 23: 'VersionMismatch', 24: 'GraphInUse', 25: 'UnknownGraph', 26: 'GroupsExist',
  27: 'IdentityDeleted', 40: 'Closed', 41: 'NeverSynchronized', 42: 'NotListening', 43: 'NotAuthorized',
  44: 'WrongPassword', 45: 'InvitationExpired', 46: 'InvitationUsedUp', 47: 'InvitationRevoked',
  48: 'InvitationNotForYou', 49: 'InvitationNotYetValid', 50: 'Throttled', 51: 'Removed', 52: 'ChainTooLong',
  53: 'CircularChain', 54: 'NotAMember', 55: 'KeyMissing', 60: 'ConnectToSelf', 61: 'AlreadyNeighbor',
  62: 'WrongGraph', 63: 'WrongPeer', 64: 'Refused', 65: 'Unreachable', 66: 'TimedOut', 67: 'Cancelled',
  68: 'DirectNotAccepted', 69: 'NotConnected', 70: 'Network', 71: 'Paused', 72: 'Busy', 80: 'DirectoryInUse', 81: 'Storage',
  82: 'Damaged', 83: 'NewerSchema', 84: 'KeyAccess', 99: 'Internal',
}

const ERRORS = new Map()
const classes = {}
for (const [code, kind] of Object.entries(KINDS)) {
  const name = `${kind}Error`
  const made = { [name]: class extends PeergraphError {} }[name]
  made.code = Number(code)
  made.kind = kind
  Object.defineProperty(made.prototype, 'name', { value: name, configurable: true, writable: true })
  ERRORS.set(made.code, made)
  classes[name] = made
}

const CODED = /^\[(\d+)\] ([^]*)$/

/** The error of a text of the native half. */
function errorOf(text) {
  const [told, errno, path, address] = text.split('\0')
  const [, code, message] = CODED.exec(told) ?? []
  const Kind = ERRORS.get(Number(code))
  if (!Kind) return new TypeError(told)
  const place = { ...(errno && { errno: Number(errno) }), ...(path && { path }), ...(address && { address }) }
  return Object.assign(new Kind(message, errno ? { cause: systemError(message, place) } : undefined), place)
}

/** What failed in the operating system, as Node's own functions tell it: with a code such as `EACCES`. */
function systemError(message, place) {
  const code = Object.entries(constants.errno).find(([, number]) => number === place.errno)?.[0]
  return Object.assign(new Error(message), place, code && { code })
}

/** What the native half threw, as it is told: an error of the library, or a TypeError for an argument of a wrong type. */
function toldBy(thrown) {
  if (thrown instanceof PeergraphError || thrown instanceof TypeError || !types.isNativeError(thrown)) return thrown
  // The native half throws errors of the realm that loaded it first, which may be another than this.
  return errorOf(thrown.message)
}

/** Calls the native half, which answers at once. */
function sync(f) {
  try {
    return f()
  } catch (thrown) {
    const told = toldBy(thrown)
    Error.captureStackTrace?.(told, sync)
    throw told
  }
}

module.exports = { PeergraphError, ERRORS, classes, errorOf, toldBy, sync }

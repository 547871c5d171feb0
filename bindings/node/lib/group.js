'use strict'
// Groups: graphs whose members are known by name and role, and can be invited and removed.
const { native } = require('./bridge.js')
const { count, flag, lifetime, maybe, options, signal, span, text, texts, waiting, wrong } = require('./check.js')
const { sync } = require('./errors.js')
const { Graph } = require('./graph.js')
const { IdentityDescription, Invitation } = require('./texts.js')

/** What a member may do, the least first: each role may do all that those before it may. */
const ROLES = Object.freeze(native.roles())

function rank(role, name) {
  if (role === null) return -1
  const at = ROLES.indexOf(role)
  if (at < 0) throw new TypeError(`${name} must be one of ${ROLES.join(', ')}, or null for who is no member`)
  return at
}

/**
 * Less than 0, 0, or more than 0, as the first role may do less than, the same as, or more than the second. As text they
 * compare by the alphabet.
 */
const compareRoles = (a, b) => rank(a, 'the first role') - rank(b, 'the second role')

const MEMBER = { role: text, lifetime, signal }
const LINK = { ...MEMBER, uses: count, valid: span, admitters: texts }
const REMOVE = { reason: text, keepRecords: flag, withBranch: flag, undo: flag, signal }

class Group extends Graph {
  #ask(method, args = [], options) {
    return Graph.ask(this, method, args, options)
  }

  get joinOutcome() {
    return sync(() => Graph.nativeOf(this).joinOutcome)
  }

  async rules(options) {
    return this.#ask('rules', [], waiting(options))
  }

  async members(options) {
    return this.#ask('members', [false], waiting(options))
  }

  async presentMembers(options) {
    return this.#ask('members', [true], waiting(options))
  }

  async member(peer, options) {
    return this.#ask('member', [text(peer, 'peer')], waiting(options))
  }

  async role(options) {
    return this.#ask('role', [], waiting(options))
  }

  async #invited(method, args, { signal, ...inviting }) {
    return new Invitation(await this.#ask(method, [...args, inviting], { signal }))
  }

  async invite(whom, given) {
    if (whom === null) throw wrong('whom', 'an IdentityDescription or its text, { peer, name }, or the options of a link', whom)
    if (typeof whom === 'string' || whom instanceof IdentityDescription) {
      return this.#invited('inviteIdentity', [text(String(whom), 'whom')], options(given, MEMBER))
    }
    if (typeof whom === 'object' && 'peer' in whom) {
      const { peer, name } = options(whom, { peer: text, name: text }, 'whom')
      return this.#invited('invitePeer', [text(peer, 'whom.peer')], { ...options(given, MEMBER), name })
    }
    return this.#invited('inviteLink', [], options(whom ?? given, LINK))
  }

  async setPassword(password, given) {
    return this.#invited('setPassword', [text(password, 'password')], options(given, MEMBER))
  }

  async clearPassword(options) {
    await this.#ask('clearPassword', [], waiting(options))
  }

  async invitations(options) {
    return this.#ask('invitations', [], waiting(options))
  }

  async revokeInvitation(key, options) {
    const named = typeof key === 'object' && key !== null ? key.key : key
    await this.#ask('revokeInvitation', [text(named, 'key')], waiting(options))
  }

  async renew(peer, time, options) {
    await this.#ask('renew', [text(peer, 'peer'), maybe(lifetime)(time, 'lifetime')], waiting(options))
  }

  async setName(name, options) {
    await this.#ask('setName', [text(name, 'name')], waiting(options))
  }

  async setRole(peer, role, options) {
    await this.#ask('setRole', [text(peer, 'peer'), text(role, 'role')], waiting(options))
  }

  async remove(peer, removing) {
    const { signal, ...read } = options(removing, REMOVE)
    await this.#ask('remove', [text(peer, 'peer'), read], { signal })
  }

  async renewBodyKey(options) {
    await this.#ask('renewBodyKey', [], waiting(options))
  }

  async revokeDevice(peer, node, options) {
    await this.#ask('revokeDevice', [text(peer, 'peer'), text(node, 'node')], waiting(options))
  }

  async restoreDevice(peer, node, options) {
    await this.#ask('restoreDevice', [text(peer, 'peer'), text(node, 'node')], waiting(options))
  }

  async revokedDevices(peer, options) {
    return this.#ask('revokedDevices', [text(peer, 'peer')], waiting(options))
  }

  async leave(options) {
    await this.#ask('leave', [], waiting(options))
    this.over()
  }

  async credentials(peer, options) {
    return this.#ask('credentials', [maybe(text)(peer, 'peer')], waiting(options))
  }

  async exportMembership(password, options) {
    return this.#ask('exportMembership', [text(password, 'password')], waiting(options))
  }
}

module.exports = { Group, ROLES, compareRoles }

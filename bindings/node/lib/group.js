'use strict'
// Groups: graphs whose members are known by name and role, and can be invited and removed.
const { Graph } = require('./graph.js')
const { sync } = require('./errors.js')
const { IdentityDescription, Invitation } = require('./texts.js')

class Group extends Graph {
  #ask(method, args = []) {
    return Graph.ask(this, method, args)
  }

  get joinOutcome() {
    return sync(() => Graph.nativeOf(this).joinOutcome)
  }

  async rules() {
    return this.#ask('rules')
  }

  async members() {
    return this.#ask('members', [false])
  }

  async presentMembers() {
    return this.#ask('members', [true])
  }

  async member(peer) {
    return this.#ask('member', [peer])
  }

  async role() {
    return this.#ask('role')
  }

  async invite(whom, options) {
    if (typeof whom === 'object' && !(whom instanceof IdentityDescription) && whom?.peer === undefined) {
      return this.invite(undefined, { ...whom, ...options })
    }
    const inviting = { ...options, lifetime: lifetime(options?.lifetime) }
    if (whom == null) return new Invitation(await this.#ask('inviteLink', [inviting]))
    if (whom.peer !== undefined) return new Invitation(await this.#ask('invitePeer', [whom.peer, { ...inviting, name: whom.name }]))
    return new Invitation(await this.#ask('inviteIdentity', [String(whom), inviting]))
  }

  async setPassword(password, options) {
    const inviting = { ...options, lifetime: lifetime(options?.lifetime) }
    return new Invitation(await this.#ask('setPassword', [password, inviting]))
  }

  async clearPassword() {
    await this.#ask('clearPassword')
  }

  async invitations() {
    return this.#ask('invitations')
  }

  async revokeInvitation(key) {
    await this.#ask('revokeInvitation', [typeof key === 'object' && key !== null ? key.key : key])
  }

  async renew(peer, given) {
    await this.#ask('renew', [peer, lifetime(given)])
  }

  async setRole(peer, role) {
    await this.#ask('setRole', [peer, role])
  }

  async remove(peer, options = {}) {
    await this.#ask('remove', [peer, options])
  }

  async renewBodyKey() {
    await this.#ask('renewBodyKey')
  }

  async revokeDevice(peer, node) {
    await this.#ask('revokeDevice', [peer, node])
  }

  async leave() {
    await this.#ask('leave')
    this.over()
  }

  async credentials(peer) {
    return this.#ask('credentials', [peer])
  }

  async exportMembership(password) {
    return this.#ask('exportMembership', [password])
  }
}

/** `null` stands for no end of its own, which crosses as infinity. */
const lifetime = (given) => (given === null ? Infinity : given)

module.exports = { Group }

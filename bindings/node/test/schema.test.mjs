// What the core has, by the schema that it writes, is here: errors, values, events and their fields, options, calls.
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'

import * as p from 'peergraph'

import { FOLDER } from './scenarios/script.mjs'

const schema = readFileSync(join(FOLDER, 'schema.txt'), 'utf8')
  .split('\n')
  .filter((line) => line !== '' && !line.startsWith('#'))
  .map((line) => line.split(' '))
const lines = (word) => schema.filter(([first]) => first === word).map(([, ...rest]) => rest)
const camel = (name) => name.replace(/_([a-z])/g, (_, letter) => letter.toUpperCase())

const FILES = ['index', ...['connection', 'events', 'graph', 'identities', 'records', 'values'].map((name) => `types/${name}`)]
const types = FILES.map((file) => readFileSync(join(import.meta.dirname, '..', `${file}.d.ts`), 'utf8')).join('\n')

/** The body of an interface or class, with those that it extends. */
function body(name) {
  const found = new RegExp(`(?:interface|class) ${name}(?:<[^>]*>)?(?: extends ([^{]+?))? (?:implements [^{]+ )?\\{\\n([^]*?)\\n\\}`).exec(types)
  if (!found) return null
  const more = (found[1] ?? '').split(',').map((each) => body(each.trim()) ?? '')
  return [found[2], ...more].join('\n')
}

const has = (text, name) => new RegExp(`^  (?:readonly |static )?${name}(?:\\?)?[(:<]`, 'm').test(text)

test('x1 each error has its number', () => {
  assert.deepEqual(lines('error'), [...p.ERRORS].map(([code, { kind }]) => [kind, `${code}`]))
})

// Of these the words are no values of JavaScript's.
const OTHERWISE = new Set(['KeyProtection', 'NetworkMode', 'Target', 'Start', 'GraphRef'])

test('each value of an enumeration is a word of a type', () => {
  const missing = lines('value').filter(([of, word]) => !OTHERWISE.has(of) && !types.includes(`'${word}'`))
  assert.deepEqual(missing, [])
})

const EVENTS = { direct_connection: 'DirectConnectionChanged', neighbor_connection: 'NeighborConnectionChanged' }

test('each event and each of its fields has a type', () => {
  const pascal = (name) => camel(`_${name}`)
  const missing = lines('tells').filter(([event, field]) => !has(body(EVENTS[event] ?? pascal(event)) ?? '', camel(field)))
  assert.deepEqual(missing, [])
  for (const [event] of lines('event')) assert(types.includes(`type: '${event}'`), event)
})

// Where a call or value goes by another name here, or is left to what the language has.
const NAMES = {
  EventStream: { is_finished: 'finished', next_batch: 'batch', ready: null, set_wake_hook: null },
  Graph: { connect_with: 'connect', subscribe: 'events', nodes_of: 'nodes', list: 'records' },
  Group: { graph: null, id: null, close: null, invite_link: 'invite', invite_peer: 'invite', credentials_of: 'credentials' },
  Identities: { import: 'importIdentity' },
  IdentityDescription: { issue: null, signature: null },
  Invitation: { access: null, open: null, signed: null, unsigned: null },
  Node: { open_group_with: 'openGroup' },
  DirectConnection: {},
  Identity: {},
  PeerName: {},
  SendReceipt: {},
}

test('each call of the core has its method', () => {
  const missing = []
  for (const [type, method] of lines('method')) {
    if (!(type in NAMES)) continue
    const name = NAMES[type][method] === undefined ? camel(method) : NAMES[type][method]
    if (name === null) continue
    const at = p[type]
    const inherited = type === 'Group' ? body('Group') + body('Graph') : body(type)
    const there = name in at.prototype || name in at || has(inherited, name)
    if (!there || !has(inherited, name)) missing.push([type, method])
  }
  assert.deepEqual(missing, [])
})

const OPTIONS = {
  NodeConfig: 'NodeConfig', GraphProperties: 'GraphProperties', GroupRules: 'GroupRules', InviteMember: 'Invite',
  InviteLink: 'InviteLink', InvitePassword: 'Invite', CreateGraph: null, CreateGroup: null, OpenGraph: 'OpenGraph', JoinGraph: 'Join', JoinGroup: 'JoinGroup',
}
// The one is a passphrase or a key, the other stands beside.
const ELSEWHERE = new Set(['NodeConfig key_protection'])

test('each option of the core can be given', () => {
  const missing = lines('option').filter(([of, option]) => {
    if (!(of in OPTIONS) || ELSEWHERE.has(`${of} ${option}`)) return false
    return OPTIONS[of] === null ? !types.includes(`${camel(option)}?:`) : !has(body(OPTIONS[of]), camel(option))
  })
  assert.deepEqual(missing, [])
})

// Which version it is serves reconciliation; a ticket's secret is in its text; how an invitation lets in is its kind.
const WITHIN = new Set(['Record key', 'Record replaced', 'Ticket secret', 'Invitation way', 'JoinGroup invitation', 'JoinGraph ticket'])

test('each field of what is told has a type', () => {
  const missing = lines('field').filter(([of, field]) => {
    const found = body(of)
    return found !== null && !WITHIN.has(`${of} ${field}`) && !has(found, camel(field))
  })
  assert.deepEqual(missing, [])
})

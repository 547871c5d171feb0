// The scenario language of tests/scenarios: reading it, and playing it on the package.
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'

import { PeergraphError } from 'peergraph'

import { isForeign } from '../support.mjs'

export const FOLDER = process.env.PEERGRAPH_SCENARIOS ?? fileURLToPath(new URL('../../../../tests/scenarios', import.meta.url))

/** The script is wrong. */
export class ScriptError extends Error {}
/** It did not go as the script says. */
class Unmet extends ScriptError {}

/** What each verb takes and tells. */
export function readVerbs() {
  const verbs = new Map()
  for (const line of readFileSync(join(FOLDER, 'verbs.txt'), 'utf8').split('\n')) {
    if (line === '' || line.startsWith('#')) continue
    const [takes, tells = ''] = line.split(' -> ')
    const [name, ...words] = takes.split(/\s+/)
    const keys = words.filter((word) => !/^[A-Z]/.test(word))
    verbs.set(name, { names: words.length - keys.length, keys, facts: tells.split(/\s+/).filter(Boolean) })
  }
  return verbs
}

const listed = (known, word) => known.some((name) => word === name || (name.endsWith('.') && word.startsWith(name)))

/** The scenarios of a file, by name. */
export function parse(text) {
  const [verbs, found] = [readVerbs(), new Map()]
  let steps
  text.split('\n').forEach((line, at) => {
    const words = line.split(/\s+/).filter(Boolean)
    if (words.length === 0 || words[0].startsWith('#')) return
    if (words[0] === 'scenario' && words.length === 2) {
      if (found.has(words[1])) throw new ScriptError(`two scenarios are called ${words[1]}`)
      found.set(words[1], (steps = []))
    } else if (steps === undefined) throw new ScriptError(`line ${at + 1}: a step before the first scenario`)
    else steps.push(parseStep(at + 1, words, verbs))
  })
  return found
}

function parseStep(line, words, verbs) {
  const refuse = (what) => new ScriptError(`line ${line}: ${what}`)
  const step = { line, names: [], keys: {}, facts: {}, until: words[0] === 'until', repeat: null, error: null, telling: false }
  words = words.slice(step.until ? 1 : 0)
  if (words[0] === 'repeat') {
    if (!/^\d+$/.test(words[1])) throw refuse('repeat needs a number')
    step.repeat = Number(words[1])
    words = words.slice(2)
  }
  step.verb = words[0]
  const verb = verbs.get(step.verb)
  if (verb === undefined) throw refuse(`there is no verb '${step.verb}'`)
  for (const word of words.slice(1)) {
    const at = word.indexOf('=')
    const [key, value] = at < 0 ? [word] : [word.slice(0, at), word.slice(at + 1)]
    if (at < 0 && word === '->' && !step.telling) step.telling = true
    else if (at < 0 && !step.telling && Object.keys(step.keys).length === 0) step.names.push(word)
    else if (at < 0) throw refuse(`'${word}' stands in no place for a name`)
    else if (key === 'error') step.error = value
    else {
      const [known, into] = step.telling ? [verb.facts, step.facts] : [verb.keys, step.keys]
      if (!listed(known, key)) throw refuse(`${step.verb} knows no '${key}'`)
      if (key in into) throw refuse(`'${key}' is given twice`)
      into[key] = value
    }
  }
  if (step.names.length !== verb.names) throw refuse(`${step.verb} takes ${verb.names} names, not ${step.names.length}`)
  if (step.telling && (Object.keys(step.facts).length === 0 || step.error)) throw refuse('-> is for facts, and who fails tells none')
  return step
}

function meant(word, known) {
  if (word.startsWith('@')) {
    if (!known.has(word.slice(1))) throw new ScriptError(`nothing told ${word}`)
    return known.get(word.slice(1))
  }
  const many = /^(.)\*(\d+)$/u.exec(word)
  return many ? many[1].repeat(Number(many[2])) : word
}

/** A value as the language writes it. */
export function shown(value) {
  if (value === null || value === undefined) return 'none'
  if (value instanceof Uint8Array) return Buffer.from(value).toString('hex')
  if (Array.isArray(value)) return value.map(shown).join(',')
  return String(value)
}

/** What the steps of one scenario made. */
class World {
  made = new Map()
  constructor(folder, patience) {
    this.folder = folder
    this.patience = patience
  }
  get(kind, name) {
    const found = this.made.get(`${kind} ${name}`)
    if (found === undefined) throw new ScriptError(`no ${kind} is called ${name}`)
    return found
  }
  keep(kind, name, made) {
    this.made.set(`${kind} ${name}`, made)
    return made
  }
  async end() {
    for (const [name, made] of this.made) if (name.startsWith('node ')) await made.shutdown()
  }
}

async function attempt(verbs, world, step) {
  const need = (key) => {
    if (!(key in step.keys)) throw new ScriptError(`${step.verb} needs ${key}=`)
    return step.keys[key]
  }
  let facts
  try {
    facts = (await verbs[step.verb](world, { ...step, need })) ?? {}
  } catch (error) {
    if (!(error instanceof PeergraphError)) throw error
    if (isForeign(error.message)) throw new ScriptError(`C48: ${error.message}`)
    if (error.kind === step.error) return {}
    throw new Unmet(`${step.verb} failed with ${error.kind}: ${error.message}, expected ${step.error}`)
  }
  if (step.error) throw new Unmet(`${step.verb} should have failed with ${step.error}: ${JSON.stringify(facts)}`)
  const told = Object.fromEntries(Object.entries(facts).map(([name, value]) => [name, shown(value)]))
  for (const [fact, value] of Object.entries(step.facts)) {
    if (told[fact] !== value) throw new Unmet(`expected ${fact}=${value}, ${step.verb} told ${JSON.stringify(told)}`)
  }
  return told
}

async function take(verbs, world, step) {
  const deadline = Date.now() + world.patience
  for (;;) {
    try {
      return await attempt(verbs, world, step)
    } catch (error) {
      if (!(error instanceof Unmet) || !(step.until || step.verb === 'find') || Date.now() > deadline) throw error
    }
    if (step.until) await sleep(5)
  }
}

/** Plays a scenario to its end, or to the first step that does not do what it should. */
export async function play(verbs, steps, folder, patience) {
  const [world, known] = [new World(folder, patience), new Map()]
  try {
    for (const step of steps) {
      for (let turn = 0; turn < (step.repeat ?? 1); turn++) {
        const word = (value) => meant(step.repeat === null ? value : value.replaceAll('#', turn), known)
        const words = (given) => Object.fromEntries(Object.entries(given).map(([key, value]) => [key, word(value)]))
        try {
          const facts = await take(verbs, world, { ...step, keys: words(step.keys), facts: words(step.facts) })
          for (const [fact, value] of Object.entries(facts)) known.set(`${step.names[0]}.${fact}`, value)
        } catch (error) {
          error.message = `line ${step.line}: ${error.message}`
          throw error
        }
      }
    }
  } finally {
    await world.end()
  }
}

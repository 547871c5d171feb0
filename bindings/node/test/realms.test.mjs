// The package in a realm of its own, as Jest runs it, and values of other realms.
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { test } from 'node:test'
import vm from 'node:vm'

import * as p from 'peergraph'

import { fails, nodeFor, soon } from './support.mjs'

const require = createRequire(import.meta.url)

// As Jest does: the package itself in a context of its own, with globals of its own.
function inContext() {
  const context = vm.createContext({ process, setImmediate, setInterval, clearInterval, setTimeout, queueMicrotask, AbortController, AbortSignal, Blob, TextDecoder, URL })
  const lib = join(dirname(require.resolve('peergraph/package.json')), 'lib')
  const loaded = new Map()
  const load = (file) => {
    if (file.endsWith('.node')) return require(file)
    if (loaded.has(file)) return loaded.get(file).exports
    const module = { exports: {} }
    loaded.set(file, module)
    const params = ['require', 'module', 'exports', '__dirname', '__filename', 'Buffer']
    const run = vm.compileFunction(readFileSync(file, 'utf8'), params, { filename: file, parsingContext: context })
    const inner = (name) => {
      if (name.startsWith('.')) return load(join(dirname(file), name))
      return name.startsWith('/') ? load(name) : require(name)
    }
    run(inner, module, module.exports, dirname(file), file, Buffer)
    return module.exports
  }
  return { context, peergraph: load(join(lib, 'index.js')), run: (code) => vm.runInContext(code, context) }
}

test('n7 in another realm everything works as in this', async (t) => {
  const { peergraph: other, run } = inContext()
  assert.notEqual(run('Error'), Error)
  const node = await other.Node.start(other.loopback())
  t.after(() => node.shutdown())
  const graph = await node.createGraph('n7')
  // Errors: those that are thrown at once, and those that come later.
  const thrown = (doing) => {
    try {
      doing()
    } catch (error) {
      return error
    }
    return assert.fail('nothing was thrown')
  }
  const atOnce = thrown(() => graph.events({ recordTypes: 'bad type' }))
  assert(atOnce instanceof other.InvalidArgumentError && atOnce instanceof run('Error'), `${atOnce.name}: ${atOnce.message}`)
  assert.doesNotMatch(atOnce.message, /^\[/)
  assert(thrown(() => other.PeerId('xy')) instanceof other.InvalidIdError)
  assert(thrown(() => graph.events(5)) instanceof run('TypeError'))
  await assert.rejects(graph.get('xy'), other.InvalidIdError)
  await assert.rejects(graph.publish('bad type', ''), other.InvalidArgumentError)
  // Values of the other realm, and of this one, given to the package there.
  const values = run(`({
    map: new Map([['a', 1], ['t', new Date(5000)], ['b', new Uint8Array([1, 2])], ['l', ['x', 'y']]]),
    date: new Date(Date.now() + 86400000),
    bytes: new Uint8Array([104, 105]),
    buffer: new Uint8Array([104, 105]).buffer,
    words: new Uint16Array([0x6968]),
    options: { attributes: { a: 1 } },
    list: ['t', 'u'],
  })`)
  const ours = { map: new Map([['a', 1]]), date: new Date(Date.now() + 86_400_000), bytes: new Uint8Array([104, 105]), buffer: new Uint8Array([104, 105]).buffer, words: new Uint16Array([0x6968]), options: { attributes: { a: 1 } }, list: ['t', 'u'] }
  for (const { map, date, bytes, buffer, words, options, list } of [values, ours]) {
    const record = await graph.publish('t', bytes, { attributes: map, expires: date })
    assert.equal(record.attributes.a, 1)
    assert.equal(record.text, 'hi')
    assert.equal(record.expires.getTime(), date.getTime())
    assert.equal((await graph.publish('t', buffer)).text, 'hi')
    assert.equal((await graph.publish('t', words)).text, 'hi')
    assert.equal((await graph.publish('t', '', options)).attributes.a, 1)
    graph.events('record_changed', { recordTypes: list, after: new Uint8Array(24) }).close()
  }
  const mapped = await graph.publish('t', '', { attributes: values.map })
  assert.deepEqual([mapped.attributes.t.getTime(), [...mapped.attributes.b], [...mapped.attributes.l]], [5000, [1, 2], ['x', 'y']])
  await assert.rejects(graph.publish('t', '', { attributes: run('[1]') }), run('TypeError'))
  // The same from this realm's package, with values of the other.
  const here = await (await nodeFor(t)).createGraph('n7')
  const foreign = await here.publish('t', values.buffer, { attributes: values.map, expires: values.date })
  assert.deepEqual([foreign.text, foreign.attributes.a, foreign.attributes.l], ['hi', 1, ['x', 'y']])
  const events = here.events('record_changed', run(`({ recordTypes: ['t'], snapshot: true })`))
  assert.equal((await soon(events)).record.text, 'hi')
  await fails(() => here.publish('t', '', { expires: run('new Date(NaN)') }), p.InvalidArgumentError)
})

// The scenarios that all languages share, on the package. What they say, and how, is in tests/scenarios.
import assert from 'node:assert/strict'
import { readFileSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'

import { FOLDER, ScriptError, parse, play, readVerbs } from './scenarios/script.mjs'
import { VERBS } from './scenarios/verbs.mjs'
import { PATIENCE, folderFor } from './support.mjs'

const files = readdirSync(FOLDER).filter((name) => name.endsWith('.scenario'))
let count = 0
for (const file of files.sort()) {
  for (const [name, steps] of parse(readFileSync(join(FOLDER, file), 'utf8'))) {
    count++
    test(name, (t) => play(VERBS, steps, folderFor(t), PATIENCE))
  }
}

test('every verb is there', () => {
  assert.deepEqual(Object.keys(VERBS).sort(), [...readVerbs().keys()].sort())
  assert(count >= 35)
})

const START = 'scenario tried\nnode n\ngraph a n name=one\n'

const WRONG = [
  ['fly a', 'there is no verb'],
  ['listen a high=true', "knows no 'high'"],
  ['status a -> happy=true', "knows no 'happy'"],
  ['status a -> listening=true', 'expected listening=true'],
  ['until status a -> listening=true', 'expected listening=true'],
  ['listen a error=NotListening', 'should have failed with NotListening'],
  ['close a\nlisten a', 'failed with Closed'],
  ['close a\nlisten a error=NotFound', 'expected NotFound'],
  ['listen b', 'no graph is called b'],
  ['listen a b', 'takes 1 names, not 2'],
  ['publish r a', 'needs type='],
  ['publish r a type=t body=1 body=2', 'is given twice'],
  ['publish r a type=t expires=soon', 'cannot be read'],
  ['publish r a type=t attribute.x=1', 'no value of an attribute'],
  ['delete a id=@r.id', 'nothing told @r.id'],
  ['status a -> listening=false error=Closed', 'who fails tells none'],
  ['events s a\nnext s', 'no event in time'],
  ['events s a\npublish r a type=t\nnext s -> kind=node_changed', 'expected kind=node_changed'],
  ['events s a\npublish r a type=t\nclose-events s\nfind s -> kind=record_changed', 'told {"kind":"end"}'],
  ['repeat many listen a', 'repeat needs a number'],
  ['listen -> outcome=started a', 'stands in no place'],
]

test('what is wrong with a script fails', async (t) => {
  for (const [steps, wanted] of WRONG) {
    await assert.rejects(
      async () => play(VERBS, parse(START + steps).get('tried'), folderFor(t), 300),
      (error) => {
        assert(error instanceof ScriptError, error)
        assert(error.message.includes(wanted), `${steps}: ${error.message}`)
        return true
      },
    )
  }
})

test('what is right with a script passes', async (t) => {
  await play(VERBS, parse(`${START}status a -> listening=false`).get('tried'), folderFor(t), 300)
  assert.throws(() => parse('listen a'), ScriptError)
})

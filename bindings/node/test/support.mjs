// Nodes on loopback, and waiting for conditions with a deadline.
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'

import { Node, loopback } from 'peergraph'

export const PATIENCE = 30_000

/** Waits until a condition holds, looking every few milliseconds. */
export async function eventually(what, condition) {
  const deadline = Date.now() + PATIENCE
  while (!(await condition())) {
    assert(Date.now() < deadline, `not in time: ${what}`)
    await sleep(5)
  }
}

/** The next event, which must come in time. */
export async function soon(events) {
  const { value, done } = await events.next({ signal: AbortSignal.timeout(PATIENCE) })
  assert(!done, 'the stream has ended')
  return value
}

/** A node that is shut down after the test. */
export async function nodeFor(test, config = {}) {
  const node = await Node.start({ ...loopback(), ...config })
  test.after(() => node.shutdown())
  return node
}

export async function joined(group, node, name = 'Ben', role = 'member') {
  return node.joinGroup(await group.invite({ role }), { name })
}

/** A folder that is removed after the test. */
export function folderFor(test) {
  const folder = mkdtempSync(join(tmpdir(), 'peergraph-'))
  // A group that nobody has any more may still be closing: its last files go while the folder does.
  test.after(() => rmSync(folder, { recursive: true, force: true, maxRetries: 20, retryDelay: 50 }))
  return folder
}

/** Must fail with this class of error, and say something. */
export async function fails(doing, Kind) {
  await assert.rejects(
    async () => doing(),
    (error) => {
      assert(error instanceof Kind, `${error.name}: ${error.message}, not ${Kind.name}`)
      assert(error.message.length > 0)
      return true
    },
  )
}

/**
 * C48: true for a message that names what only another language has: paths and values of Rust, names as Python writes them.
 * What was given is repeated in quotes, and files as they are.
 */
export function isForeign(message) {
  const words = message.replaceAll(/"[^"]*"|'[^']*'|\/\S+/g, '')
  return /::|\b(Some|None|Ok|Err)\b|\b(Vec|Option|Result)<|\bDuration\b|&str|\b[iu](8|16|32|64|size)\b|[a-z]_[a-z]|\{\w*:?\??\}/.test(words)
}

// A node in the background: quiet, safe, and back at once.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'

import { Node, PausedError, lowPower, loopback } from '../index.mjs'

async function eventually(what, condition) {
  const deadline = Date.now() + 30_000
  while (!(await condition())) {
    assert.ok(Date.now() < deadline, `not in time: ${what}`)
    await sleep(5)
  }
}

test('a pause and its end', async () => {
  const host = await Node.start(loopback())
  const phone = await Node.start(lowPower(loopback()))
  try {
    const group = await host.createGroup('phones')
    const joined = await phone.joinGroup(await group.invite(), { name: 'Ben' })
    await phone.pause()
    assert.ok(phone.isPaused)
    assert.equal((await joined.status()).hasConnections, false)
    const own = await joined.publish('note', 'written while paused')
    await assert.rejects(joined.connect(host.addr), (error) => error instanceof PausedError && error.code === 71)
    const meanwhile = await group.publish('note', 'written meanwhile')
    await phone.resume()
    await phone.networkChanged()
    assert.ok(!phone.isPaused)
    await eventually('both have both', async () => (await group.get(own.id)) && (await joined.get(meanwhile.id)))
  } finally {
    await phone.shutdown()
    await host.shutdown()
  }
})

test('low power is what the core says', () => {
  const { pingInterval, targetNeighbors, maxNeighbors, minNeighbors, bind } = lowPower(loopback())
  assert.deepEqual([pingInterval, targetNeighbors, maxNeighbors, minNeighbors], [15_000, 2, 4, 1])
  assert.deepEqual(bind, ['127.0.0.1:0'])
})

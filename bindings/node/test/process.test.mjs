// Starting, ending and interrupting processes and workers. Each is one of its own.
import assert from 'node:assert/strict'
import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { Worker } from 'node:worker_threads'

const STARTS = Number(process.env.PEERGRAPH_STARTS ?? 40)
const root = fileURLToPath(new URL('..', import.meta.url))

const BEGIN = `
const { Node, loopback } = require('peergraph')
const start = async () => {
  const node = await Node.start(loopback())
  return { node, graph: await node.createGraph('process') }
}
`

function run(program, ...flags) {
  return new Promise((resolve) => {
    const options = { cwd: root, timeout: 60_000 }
    execFile(process.execPath, [...flags, '-e', BEGIN + program], options, (error, out, err) => {
      resolve({ code: error === null ? 0 : (error.code ?? error.signal), out, err })
    })
  })
}

async function says(program, out, code = 0) {
  const { err, ...result } = await run(program)
  assert.deepEqual(result, { code, out }, err)
}

test('e23 a process that waits for nothing ends', () => says(`start().then(({ graph }) => { graph.events(); console.log('done') })`, 'done\n'))

test('e23 a process ends after shutdown, with listeners and readers', () =>
  says(
    `start().then(async ({ node, graph }) => {
      graph.on('record_changed', () => {})
      ;(async () => { for await (const event of graph.events('record_changed')) console.log(event.type) ; console.log('end') })()
      await graph.publish('t')
      setTimeout(() => node.shutdown(), 50)
    })`,
    'record_changed\nend\n',
  ))

test('e23 a process lives while somebody waits', () =>
  says(
    `start().then(({ graph }) => {
      graph.events('record_changed').next().then(({ value }) => console.log(value.record.text))
      // This timer alone would not keep it alive.
      setTimeout(() => graph.publish('t', 'late'), 300).unref()
    })`,
    'late\n',
  ))

test('e23 a process lives while a listener waits, and ends when it is gone', () =>
  says(
    `start().then(({ graph }) => {
      graph.once('record_changed', ({ record }) => console.log(record.text))
      setTimeout(() => graph.publish('t', 'late'), 300).unref()
    })`,
    'late\n',
  ))

for (const whose of ['events', 'graph', 'node']) {
  test(`e23 unref of the ${whose} lets the process end`, () =>
    says(
      `start().then(({ node, graph }) => {
        if ('${whose}' === 'events') {
          graph.events().unref().next().then(() => console.log('woken'))
        } else {
          graph.on('status_changed', () => {})
          ;({ node, graph }).${whose === 'events' ? 'graph' : whose}.unref()
          graph.on('record_changed', () => {})
        }
        setTimeout(() => {}, 100)
        process.on('exit', () => console.log('bye'))
      })`,
      'bye\n',
    ))
}

test('an unhandled error of a listener ends the process as any other', async () => {
  const { code, err } = await run(`start().then(({ graph }) => {
    graph.on('record_changed', () => { throw new Error('mine') })
    graph.publish('t')
  })`)
  assert.equal(code, 1)
  assert.match(err, /Error: mine/)
})

test('n1 a listener that throws keeps no news from others, and its error surfaces once', async () => {
  const { code, out, err } = await run(`start().then(async ({ node, graph }) => {
    const faults = []
    process.on('uncaughtException', (error) => faults.push(error.message))
    graph.on('record_changed', ({ record }) => { throw new Error(record.text) })
    const other = await node.createGraph('other')
    const heard = []
    other.on('record_changed', ({ record }) => heard.push(record.text))
    const events = graph.events('record_changed')
    const reading = (async () => { for (let n = 0; n < 200; n++) await events.next() })()
    const calls = Array.from({ length: 200 }, (_, n) => [graph.publish('t', 'x' + n), other.publish('t', 'y')]).flat()
    const settled = await Promise.allSettled(calls)
    await reading
    while (heard.length < 200 || faults.length < 200) await new Promise(setImmediate)
    const whole = new Set(faults).size === 200
    console.log(settled.filter(({ status }) => status === 'fulfilled').length, heard.length, faults.length, whole)
    await node.shutdown()
  })`)
  assert.deepEqual({ code, out }, { code: 0, out: '400 200 200 true\n' }, err)
})

test('n1 what throws in a callback or on open and close undoes nothing', async () => {
  const { code, out, err } = await run(`start().then(async ({ node, graph }) => {
    const faults = []
    process.on('uncaughtException', (error) => faults.push(error.message))
    const fail = (text) => () => { throw new Error(text) }
    node.on('open', fail('open')).on('close', fail('node closed'))
    const second = await node.createGraph('second')
    for (const each of [graph, second]) each.on('close', fail('closed'))
    await graph.close()
    await node.shutdown()
    await new Promise(setImmediate)
    console.log(faults.join())
  })`)
  assert.deepEqual({ code, out }, { code: 0, out: 'open,closed,closed,node closed\n' }, err)
})

test('n1 without a handler the error ends the process, once', async () => {
  const { code, err } = await run(`start().then(async ({ graph }) => {
    graph.on('record_changed', () => { throw new Error('mine') })
    await Promise.all(Array.from({ length: 20 }, () => graph.publish('t')))
  })`)
  assert.equal(code, 1)
  assert.equal(err.split('Error: mine').length, 2, err)
})

test('n2 a once listener that throws closes nothing', async () => {
  const { code, out, err } = await run(`start().then(async ({ node, graph }) => {
    const [faults, heard] = [[], []]
    process.on('uncaughtException', (error) => faults.push(error.message))
    graph.on('close', () => heard.push('close'))
    graph.once('record_changed', () => { throw new Error('once') })
    await graph.publish('t', '1')
    while (faults.length === 0) await new Promise(setImmediate)
    for (let n = 0; n < 20; n++) await new Promise(setImmediate)
    graph.on('record_changed', ({ record }) => heard.push(record.text))
    await graph.publish('t', '2')
    while (heard.length === 0) await new Promise(setImmediate)
    console.log(faults.join(), heard.join())
    await node.shutdown()
    console.log(heard.join())
  })`)
  assert.deepEqual({ code, out }, { code: 0, out: 'once 2\n2,close\n' }, err)
})

const BUSY = `
start().then(async ({ node, graph }) => {
  const events = graph.events('record_changed')
  graph.on('record_changed', () => {})
  for (let n = 0; n < 40; n++) graph.publish('t', 'x').catch(() => {})
  const { value } = await events.next()
  console.log(value.type)
`

test('e23 processes end clean whatever is under way', async () => {
  const ends = ['process.exit(0)', 'await node.shutdown()', 'await graph.close()', 'process.nextTick(() => process.exit(0))', 'setImmediate(() => process.exit(0))']
  const faults = []
  const turns = Array.from({ length: STARTS }, (_, n) => `${BUSY} ${ends[n % ends.length]} })`)
  await Promise.all(
    Array.from({ length: 4 }, async () => {
      while (turns.length > 0) {
        const result = await run(turns.pop())
        if (result.code !== 0 || result.out !== 'record_changed\n') faults.push(result)
      }
    }),
  )
  assert.deepEqual(faults, [])
})

test('e23 ctrl-c ends a reader', { skip: process.platform === 'win32' }, async () => {
  for (let n = 0; n < 5; n++) {
    const child = spawn(process.execPath, ['-e', `${BEGIN} start().then(async ({ graph }) => {
      console.log('ready')
      for await (const event of graph.events('record_changed')) console.log(event)
    })`], { cwd: root, stdio: ['ignore', 'pipe', 'inherit'] })
    assert.equal(`${(await once(child.stdout, 'data'))[0]}`, 'ready\n')
    child.kill('SIGINT')
    assert.deepEqual(await once(child, 'exit'), [null, 'SIGINT'])
  }
})

const WORKER = `${BEGIN}
const { parentPort } = require('node:worker_threads')
start().then(async ({ node, graph }) => {
  const events = graph.events('record_changed')
  let going = true
  ;(async () => { while (going) await graph.publish('t', 'x').catch(() => { going = false }) })()
  for (let n = 0; n < 20; n++) await events.next()
  parentPort.postMessage('twenty')
  if (process.env.LEAVES) { going = false; events.close(); await node.shutdown() }
})`

const worker = (env) => new Worker(WORKER, { eval: true, env: { ...process.env, ...env } })

test('n21 workers have nodes of their own, and end', async () => {
  const workers = [1, 2, 3, 4].map(() => worker({ LEAVES: '1' }))
  const codes = await Promise.all(
    workers.map(async (each) => {
      // Both at once: a worker may be gone before its message is looked at.
      const [[message], [code]] = await Promise.all([once(each, 'message'), once(each, 'exit')])
      assert.equal(message, 'twenty')
      return code
    }),
  )
  assert.deepEqual(codes, [0, 0, 0, 0])
})

test('workers that are terminated with busy nodes leave the process well', async () => {
  for (let n = 0; n < 5; n++) {
    const workers = [1, 2].map(() => worker({}))
    await Promise.all(workers.map((each) => once(each, 'message')))
    assert.deepEqual(await Promise.all(workers.map((each) => each.terminate())), [1, 1])
  }
})

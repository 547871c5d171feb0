// Events in Node, beside what Node users have: to be read, not passed. `node scripts/build.mjs --profile dist` first.
//   npm install && npm start
import { EventEmitter } from 'node:events'
import { createRequire } from 'node:module'
import { setTimeout as sleep } from 'node:timers/promises'

// What js-libp2p wants of later versions of Node.
Promise.withResolvers ??= function () {
  const made = {}
  made.promise = new this((resolve, reject) => Object.assign(made, { resolve, reject }))
  return made
}

const require = createRequire(import.meta.url)
const { Node, Graph, loopback } = require('../lib/index.js')
const { EventStream } = require('../lib/stream.js')
const { Emitter } = require('../lib/emitter.js')
const { countOf, readerOf, eventAt } = require('../lib/events.js')

const RECORDS = Number(process.env.RECORDS ?? 20_000)
const ROUNDS = Number(process.env.ROUNDS ?? 20)
/** Few, when this is only to show that it runs: then nothing else is measured beside it. */
const SHORT = RECORDS < 5000
const BODY = Buffer.alloc(32, 7)

const rates = new Map()
function told(name, count, began) {
  const rate = (count / (performance.now() - began)) * 1000
  rates.set(name, Math.max(rate, rates.get(name) ?? 0))
}

const node = await Node.start({ ...loopback(), durability: 'relaxed' })
const graph = await node.createGraph('bench')
const began = performance.now()
for (let n = 0; n < RECORDS; n += 500) {
  await Promise.all(Array.from({ length: Math.min(500, RECORDS - n) }, () => graph.publish('tick', BODY)))
}
told('publish, 500 at a time', RECORDS, began)

const native = Graph.nativeOf(graph)
const subscribe = (kinds) =>
  native.subscribe({ kinds, recordTypes: ['tick'], authors: [], dataTypes: [], snapshot: true, capacity: undefined })

for (let round = 0; round < ROUNDS; round++) {
  let [bytes, count, start] = [0, 0, performance.now()]
  for await (const event of new EventStream(subscribe(['record_changed']))) {
    if (event.type !== 'record_changed') break
    bytes += event.record.body.length
    count++
  }
  told('snapshot, for await', count, start)
  if (bytes !== count * BODY.length) throw new Error('bytes are missing')

  ;[bytes, count, start] = [0, 0, performance.now()]
  const emitter = new Emitter(subscribe)
  await new Promise((resolve) => {
    emitter.on('record_changed', (event) => {
      bytes += event.record.body.length
      if (++count === RECORDS) resolve()
    })
  })
  emitter.over()
  told('snapshot, emitter', count, start)

  // The same without the core's reading of its database: what is drained once is decoded again and again.
  const source = subscribe(['record_changed'])
  let batch = null
  while (batch === null || countOf(batch) < 200) {
    await new Promise(setImmediate)
    batch = source.drain(512) ?? batch
  }
  const again = { drain: () => (again.left-- > 0 ? batch : null), finished: false, arm() {}, close() {}, cursor: () => batch.subarray(4, 28), left: 0 }
  const fed = new EventStream(again)
  again.left = Math.ceil(200_000 / countOf(batch))
  const total = again.left * countOf(batch)
  start = performance.now()
  for (count = 0; count < total; count++) bytes += (await fed.next()).value.record.body.length
  told('binding alone, for await', total, start)
  fed.close()
  again.left = Math.ceil(200_000 / countOf(batch))
  const bare = new Emitter(() => again)
  ;[count, start] = [0, performance.now()]
  await new Promise((resolve) => {
    bare.on('record_changed', (event) => {
      bytes += event.record.body.length
      if (++count === total) resolve()
    })
    again.arm = (bridge, id) => setImmediate(() => require('../lib/bridge.js').readers.get(id).deref().readable())
  })
  told('binding alone, emitter', total, start)
  bare.over()
  source.close()

  // One awaited call for each event, as bindings have that hand out events one by one.
  const single = subscribe(['record_changed'])
  ;[count, start] = [0, performance.now()]
  while (count < Math.min(2000, RECORDS)) {
    await graph.peerTime()
    const one = single.drain(1)
    if (one !== null) count += eventAt(readerOf(one), 0).record.body.length > 0 ? 1 : 0
  }
  told('an awaited call per event', count, start)
  single.close()

  const plain = new EventEmitter()
  const object = { record: { body: BODY } }
  ;[count, start] = [0, performance.now()]
  plain.on('tick', (event) => {
    bytes += event.record.body.length
    count++
  })
  for (let n = 0; n < 1_000_000; n++) plain.emit('tick', object)
  told('a bare EventEmitter', count, start)
}

await live()
if (!SHORT) await gossip()
await node.shutdown()
const single = rates.get('an awaited call per event')
for (const [name, rate] of rates) console.log(`${name.padEnd(36)} ${Math.round(rate).toLocaleString('en').padStart(12)} /s  ${(rate / single).toFixed(1).padStart(8)} x`)

/** From one node to another: signed, stored and replicated. */
async function live() {
  const other = await Node.start({ ...loopback(), durability: 'relaxed' })
  await graph.listen()
  const far = await other.join(await graph.ticket())
  const events = far.events('record_changed', { recordTypes: 'live' })
  const [count, start] = [SHORT ? 500 : 5000, performance.now()]
  const sending = (async () => {
    for (let n = 0; n < count; n += 500) await Promise.all(Array.from({ length: 500 }, () => graph.publish('live', BODY)))
  })()
  for (let n = 0; n < count; n++) await events.next()
  told('publish to deliver, two nodes', count, start)
  await sending
  await other.shutdown()
}

/** The same with js-libp2p's gossipsub: signed, neither stored nor replicated to who comes later. */
async function gossip() {
  const [{ createLibp2p }, { gossipsub }, { noise }, { yamux }, { identify }, { tcp }] = await Promise.all(
    ['libp2p', '@chainsafe/libp2p-gossipsub', '@chainsafe/libp2p-noise', '@chainsafe/libp2p-yamux', '@libp2p/identify', '@libp2p/tcp'].map((name) => import(name)),
  )
  const make = () =>
    createLibp2p({
      addresses: { listen: ['/ip4/127.0.0.1/tcp/0'] },
      transports: [tcp()],
      connectionEncrypters: [noise()],
      streamMuxers: [yamux()],
      services: { identify: identify(), pubsub: gossipsub({ allowPublishToZeroTopicPeers: true }) },
    })
  const [ann, ben] = [await make(), await make()]
  await ann.dial(ben.getMultiaddrs())
  ann.services.pubsub.subscribe('tick')
  ben.services.pubsub.subscribe('tick')
  while (ann.services.pubsub.getMeshPeers('tick').length === 0) await sleep(50)
  let got = 0
  const [count, start] = [5000, performance.now()]
  const all = new Promise((resolve) => {
    ben.services.pubsub.addEventListener('message', () => {
      if (++got === count) resolve()
    })
  })
  for (let n = 0; n < count; n += 500) {
    await Promise.all(Array.from({ length: 500 }, (_, m) => ann.services.pubsub.publish('tick', Buffer.from(`${n + m}`.padEnd(32)))))
  }
  await Promise.race([all, sleep(20_000, undefined, { ref: false })])
  told(`gossipsub of js-libp2p, two nodes${got < count ? ` (${count - got} lost)` : ''}`, got, start)
  await Promise.all([ann.stop(), ben.stop()])
}

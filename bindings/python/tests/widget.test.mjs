// The view's JavaScript on a document of its own making: what strangers write stays text.
import assert from 'node:assert/strict'
import { test } from 'node:test'

class Element {
  constructor (name) { Object.assign(this, { name, attributes: {}, children: [] }) }
  setAttribute (key, value) { this.attributes[key] = value }
  append (...more) { this.children.push(...more) }
  replaceChildren (...more) { this.children = more }
  get text () { return this.children.map((child) => child.text ?? String(child)).join('') }
  all (name) { return this.children.flatMap((child) => child instanceof Element ? [...(child.name === name ? [child] : []), ...child.all(name)] : []) }
}
globalThis.document = { createElement: (name) => new Element(name), createElementNS: (_, name) => new Element(name) }
const { default: widget, places } = await import('../python/peergraph/jupyter.js')

const state = {
  title: '<b>Club</b>',
  status: 'listening',
  nodes: [{ id: 'aa', name: 'Ann', own: true }, { id: 'bb', name: '<script>Ben', own: false }],
  links: [{ to: 'bb', ms: 1.5 }, { to: 'unknown', ms: null }],
  members: [{ name: 'Ann', role: 'owner', here: true }, { name: 'Ben', role: 'member', here: false }],
  events: [{ at: '10:00:00', kind: 'record added', text: 'first' }, { at: '10:00:01', kind: 'node connected', text: 'second' }]
}

function model (kept) {
  const listeners = new Set()
  return {
    get: () => kept,
    set: (next) => { kept = next; listeners.forEach((listener) => listener()) },
    on: (_, listener) => listeners.add(listener),
    off: (_, listener) => listeners.delete(listener),
    listeners
  }
}

test('what is told is shown, as text', () => {
  const el = new Element('div')
  const shown = model(state)
  const end = widget.render({ model: shown, el })
  assert.ok(el.text.includes('<b>Club</b>') && el.text.includes('<script>Ben'))
  assert.equal(el.all('script').length, 0)
  assert.equal(el.all('circle').length, 2)
  assert.equal(el.all('line').length, 1)
  assert.match(el.text, /Members \(2\).*Ben member, away/)
  assert.ok(el.text.indexOf('second') < el.text.indexOf('first'), 'the latest is on top')
  shown.set({ ...state, nodes: [], links: [], status: 'closed' })
  assert.equal(el.all('circle').length, 0)
  assert.ok(el.text.includes('closed'))
  end()
  assert.equal(shown.listeners.size, 0)
})

test('nodes keep their places, this one in the middle', () => {
  const nodes = ['cc', 'bb', 'dd'].map((id) => ({ id, own: false }))
  const one = places([{ id: 'aa', own: true }, ...nodes])
  const other = places([...nodes.reverse(), { id: 'aa', own: true }])
  assert.deepEqual([...one].sort(), [...other].sort())
  assert.equal(new Set([...one.values()].map(String)).size, 4)
  for (const [x, y] of one.values()) assert.ok(x > 0 && x < 420 && y > 0 && y < 300)
})

test('a bar is there while records are on their way', () => {
  const el = new Element('div')
  const shown = model({ ...state, progress: { done: 1200, all: 5000, text: '1,200 of 5,000 records' } })
  widget.render({ model: shown, el })
  assert.deepEqual(el.all('progress').map(({ attributes: { value, max } }) => [value, max]), [['1200', '5000']])
  assert.ok(el.text.includes('1,200 of 5,000 records'))
  shown.set({ ...state, progress: { done: 3, all: 0, text: '3 records' } })
  assert.ok(!('value' in el.all('progress')[0].attributes), 'nobody knows how many there are')
  shown.set({ ...state, progress: null })
  assert.equal(el.all('progress').length, 0)
})

test('an empty state is shown too', () => {
  const el = new Element('div')
  widget.render({ model: model({}), el })
  assert.ok(el.text.includes('Events'))
})

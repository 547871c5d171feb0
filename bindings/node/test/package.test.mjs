// What is published: small, without install scripts, without a binary, for all platforms.
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'

import { PLATFORMS, here } from '../scripts/platforms.mjs'
import { folderFor } from './support.mjs'

const root = join(import.meta.dirname, '..')
const manifest = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))

function pack(folder) {
  const npm = process.platform === 'win32' ? 'npm.cmd' : 'npm'
  const options = { cwd: root, encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }
  const told = execFileSync(npm, ['pack', '--json', '--pack-destination', folder], options)
  // What prepack says comes before.
  const [packed] = JSON.parse(told.slice(told.indexOf('[\n')))
  execFileSync('tar', ['xzf', packed.filename], { cwd: folder })
  return { ...packed, manifest: JSON.parse(readFileSync(join(folder, 'package', 'package.json'), 'utf8')) }
}

test('the package is small, has no install script and no binary, and names all platforms', (t) => {
  const { size, files, manifest: published } = pack(folderFor(t))
  assert(size <= 50_000, `${size} bytes`)
  const expected = Object.fromEntries(PLATFORMS.map(({ name }) => [`peergraph-${name}`, manifest.version]))
  assert.deepEqual(published.optionalDependencies, expected)
  assert.equal(JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')).optionalDependencies, undefined)
  const names = files.map(({ path }) => path)
  assert(names.includes('index.d.ts') && names.includes('index.mjs') && names.includes('lib/index.js') && names.includes('README.md'))
  assert.deepEqual(names.filter((name) => /\.(node|rs|toml)$|^test|^npm/.test(name)), [])
  for (const script of ['preinstall', 'install', 'postinstall', 'prepare']) assert.equal(manifest.scripts[script], undefined)
})

test('the package of this platform has the same version', () => {
  const built = JSON.parse(readFileSync(join(root, 'npm', here().name, 'package.json'), 'utf8'))
  assert.deepEqual([built.version, built.os, built.cpu], [manifest.version, [process.platform], [process.arch]])
})

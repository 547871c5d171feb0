// Packs the package and its native half for this platform as npm would publish them, looks at their sizes, installs both from
// the tarballs in an empty folder, without scripts and without the network, and runs programs there. Wants a build for
// shipping: `node scripts/build.mjs --profile dist`.
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

import { here } from './platforms.mjs'

const root = join(dirname(fileURLToPath(import.meta.url)), '..')
const folder = mkdtempSync(join(tmpdir(), 'peergraph-packages-'))
const npm = process.platform === 'win32' ? 'npm.cmd' : 'npm'
const run = (command, args, cwd = folder) => execFileSync(command, args, { cwd, encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'] })

const PROGRAM = `
async function program({ Node, loopback }) {
  const [ann, ben] = await Promise.all([Node.start(loopback()), Node.start(loopback())])
  const group = await ann.createGroup('club')
  const far = await ben.joinGroup(await group.invite(), { name: 'Ben' })
  const events = group.events('record_changed', { recordTypes: 'note' })
  await far.publish('note', 'hello')
  const { value } = await events.next()
  console.log(value.record.text)
  await Promise.all([ann.shutdown(), ben.shutdown()])
}`

try {
  const kilo = 1000
  for (const [of, most] of [[root, 50 * kilo], [join(root, 'npm', here().name), 8_000 * kilo]]) {
    const told = run(npm, ['pack', '--json', '--pack-destination', folder], of)
    const [{ filename, size, files }] = JSON.parse(told.slice(told.indexOf('[\n')))
    const manifest = JSON.parse(readFileSync(join(of, 'package.json'), 'utf8'))
    console.log(`${filename}: ${(size / kilo).toFixed(1)} kB, ${files.length} files`)
    assert(size <= most, `${filename} has ${size} bytes, more than ${most}`)
    for (const script of ['preinstall', 'install', 'postinstall', 'prepare']) assert.equal(manifest.scripts?.[script], undefined)
    assert.equal(files.some(({ path }) => path.endsWith('.node')), of !== root)
  }
  writeFileSync(join(folder, 'package.json'), '{ "private": true }\n')
  const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))
  const tarballs = ['peergraph', `peergraph-${here().name}`].map((name) => `./${name}-${version}.tgz`)
  run(npm, ['install', '--ignore-scripts', '--offline', '--omit=optional', '--no-audit', '--no-fund', ...tarballs])
  writeFileSync(join(folder, 'common.cjs'), `${PROGRAM}\nprogram(require('peergraph'))\n`)
  writeFileSync(join(folder, 'module.mjs'), `import * as peergraph from 'peergraph'\n${PROGRAM}\nawait program(peergraph)\n`)
  for (const file of ['common.cjs', 'module.mjs']) assert.equal(run(process.execPath, [file]), 'hello\n')
  const sample = readFileSync(join(root, 'test', 'types', 'sample.mts'), 'utf8')
  writeFileSync(join(folder, 'sample.mts'), sample)
  const compiler = join(root, 'node_modules', 'typescript', 'bin', 'tsc')
  const types = ['--typeRoots', join(root, 'node_modules', '@types'), '--types', 'node', '--lib', 'es2022,esnext.disposable']
  run(process.execPath, [compiler, '--strict', '--noEmit', '--module', 'nodenext', '--target', 'es2022', ...types, 'sample.mts'])
  console.log('installed and run: CommonJS, modules, TypeScript')
} finally {
  rmSync(folder, { recursive: true, force: true })
}

// Builds the native half of this platform with cargo, into npm/PLATFORM as a package of its own. `--release` or
// `--profile dist` for others; `--target TRIPLE` for another platform; `--features NAME`.
import { execFileSync } from 'node:child_process'
import { copyFileSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'

import { PLATFORMS, here } from './platforms.mjs'

const root = join(dirname(fileURLToPath(import.meta.url)), '..')
const { values } = parseArgs({
  options: {
    release: { type: 'boolean' },
    profile: { type: 'string' },
    target: { type: 'string' },
    features: { type: 'string' },
  },
})
const profile = values.profile ?? (values.release ? 'release' : 'dev')
const platform = values.target ? PLATFORMS.find(({ target }) => target === values.target) : here()
if (platform === undefined) throw new Error(`no platform is called ${values.target}`)

// In the project itself with the features of all its parts, so that nothing is built twice.
const part = profile === 'dev' && !values.target ? ['--workspace'] : ['-p', 'peergraph-node']
const args = ['build', '--locked', ...part, '--profile', profile, '--message-format=json-render-diagnostics']
// What is shipped carries no symbols.
if (profile !== 'dev') args.push('--config', `profile.${profile}.strip="symbols"`)
if (values.target) args.push('--target', values.target)
if (values.features) args.push('--features', values.features)
const cargo = process.env.CARGO ?? 'cargo'
const told = execFileSync(cargo, args, { cwd: root, encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'], maxBuffer: 2 ** 28 })
const library = told
  .split('\n')
  .filter((line) => line.startsWith('{'))
  .map((line) => JSON.parse(line))
  .find((message) => message.reason === 'compiler-artifact' && message.target.name === 'peergraph_node')
  ?.filenames.find((name) => /\.(so|dylib|dll)$/.test(name))
if (library === undefined) throw new Error('cargo made no library')

const { version, license, repository, engines } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))
const folder = join(root, 'npm', platform.name)
mkdirSync(folder, { recursive: true })
copyFileSync(library, join(folder, 'peergraph.node'))
const manifest = {
  name: `peergraph-${platform.name}`,
  version,
  description: `The native half of peergraph for ${platform.name}`,
  license,
  repository,
  engines,
  main: 'peergraph.node',
  files: ['peergraph.node'],
  os: [platform.os],
  cpu: [platform.cpu],
  ...(platform.libc && { libc: [platform.libc] }),
}
writeFileSync(join(folder, 'package.json'), `${JSON.stringify(manifest, null, 2)}\n`)
writeFileSync(join(folder, 'README.md'), `# ${manifest.name}\n\n${manifest.description}. Install \`peergraph\`, not this.\n`)
console.log(`npm/${platform.name}/peergraph.node (${profile})`)

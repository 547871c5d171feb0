// While the package is packed, it names the packages of all platforms, at its own version, as optional dependencies. They are
// not in the source's package.json: npm would look for them before they are published. `add` before, `remove` after.
import { readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

import { PLATFORMS } from './platforms.mjs'

const file = join(dirname(fileURLToPath(import.meta.url)), '..', 'package.json')
const manifest = JSON.parse(readFileSync(file, 'utf8'))
delete manifest.optionalDependencies
if (process.argv[2] === 'add') {
  manifest.optionalDependencies = Object.fromEntries(PLATFORMS.map(({ name }) => [`peergraph-${name}`, manifest.version]))
}
writeFileSync(file, `${JSON.stringify(manifest, null, 2)}\n`)

'use strict'
// Finds the native half: beside the sources when they were built here, else in the package of this platform.
const { existsSync } = require('node:fs')
const { join } = require('node:path')

function platform() {
  if (process.platform !== 'linux') return `${process.platform}-${process.arch}${process.platform === 'win32' ? '-msvc' : ''}`
  const glibc = process.report?.getReport?.()?.header?.glibcVersionRuntime
  return `linux-${process.arch}-${glibc ? 'gnu' : 'musl'}`
}

function load() {
  const name = platform()
  const built = join(__dirname, '..', 'npm', name, 'peergraph.node')
  if (existsSync(built)) return require(built)
  try {
    return require(`peergraph-${name}`)
  } catch (cause) {
    throw new Error(
      `peergraph has no native half for ${name}: the package peergraph-${name} is not installed. ` +
        'It is an optional dependency; install without --omit=optional, on the platform where it runs.',
      { cause },
    )
  }
}

module.exports = load()

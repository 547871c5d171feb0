// The platforms that have a package of their own.
const platform = (name, target, os, cpu, libc) => ({ name, target, os, cpu, libc })

export const PLATFORMS = [
  platform('linux-x64-gnu', 'x86_64-unknown-linux-gnu', 'linux', 'x64', 'glibc'),
  platform('linux-arm64-gnu', 'aarch64-unknown-linux-gnu', 'linux', 'arm64', 'glibc'),
  platform('linux-x64-musl', 'x86_64-unknown-linux-musl', 'linux', 'x64', 'musl'),
  platform('linux-arm64-musl', 'aarch64-unknown-linux-musl', 'linux', 'arm64', 'musl'),
  platform('darwin-x64', 'x86_64-apple-darwin', 'darwin', 'x64'),
  platform('darwin-arm64', 'aarch64-apple-darwin', 'darwin', 'arm64'),
  platform('win32-x64-msvc', 'x86_64-pc-windows-msvc', 'win32', 'x64'),
  platform('win32-arm64-msvc', 'aarch64-pc-windows-msvc', 'win32', 'arm64'),
]

/** The platform that this runs on. */
export function here() {
  const musl = process.platform === 'linux' && !process.report.getReport().header.glibcVersionRuntime
  return PLATFORMS.find(
    ({ os, cpu, libc }) => os === process.platform && cpu === process.arch && (libc === undefined || (libc === 'musl') === musl),
  )
}

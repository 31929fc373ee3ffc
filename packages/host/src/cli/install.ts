import { chmodSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { quote, reasonOf, tcmuError } from '../errors'

export interface InstallFlags {
  readonly dest: string
  readonly prefix: string
}

interface Installed {
  /** In the package. */
  readonly from: string
  /** On the machine. */
  readonly to: (prefix: string) => string
  /** An administrator edits it: one that is there and differs is left alone. */
  readonly edited?: boolean
}

/** D-Bus and logrotate look at fixed places only; the others go by prefix. */
const files: readonly Installed[] = [
  { from: 'files/tcmu-host.service', to: (p) => `${p}/lib/systemd/system/tcmu-host.service` },
  { from: 'files/org.kernel.TCMUService1.service', to: (p) => `${p}/share/dbus-1/system-services/org.kernel.TCMUService1.service` },
  { from: 'files/tcmu-host-dbus.conf', to: () => '/etc/dbus-1/system.d/tcmu-host.conf' },
  { from: 'files/logrotate', to: () => '/etc/logrotate.d/tcmu-host' },
  { from: 'files/tcmu.conf', to: () => '/etc/tcmu/tcmu.conf', edited: true },
  { from: 'files/completion.bash', to: (p) => `${p}/share/bash-completion/completions/tcmu-host` },
  { from: 'man/tcmu-host.8', to: (p) => `${p}/share/man/man8/tcmu-host.8` },
]

function textAt(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8')
  } catch (e) {
    if ((e as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw e
  }
}

/** Whole or not at all, and never half of it. */
function replace(path: string, text: string): void {
  mkdirSync(dirname(path), { recursive: true, mode: 0o755 })
  const before = `${path}.tcmu-new`
  writeFileSync(before, text)
  chmodSync(before, 0o644)
  renameSync(before, path)
}

/** Write the files that make the host a service of the system, below `dest`. Throws E_INSTALL. */
export function installFiles({ dest, prefix }: InstallFlags, print: (line: string) => void): void {
  // What is written goes into files with a syntax of their own.
  if (!/^\/[A-Za-z0-9._/-]*$/.test(prefix)) throw tcmuError('E_INSTALL', { path: quote(prefix), reason: 'a prefix is an absolute path of letters, digits, dots, dashes and underscores' })
  const at = prefix.replace(/\/+$/, '')
  for (const { from, to, edited } of files) {
    const path = join(resolve(dest), to(at))
    try {
      const text = readFileSync(join(__dirname, '../..', from), 'utf8').replaceAll('@BINDIR@', `${at}/bin`)
      const there = textAt(path)
      const keep = edited && there !== undefined && there !== text
      if (!keep && there !== text) replace(path, text)
      print(`${keep ? 'kept as it was ' : ''}${path}`)
    } catch (e) {
      throw tcmuError('E_INSTALL', { path, reason: reasonOf(e) }, { cause: e })
    }
  }
}

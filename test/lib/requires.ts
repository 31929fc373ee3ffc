import { accessSync, constants, existsSync, readdirSync } from 'node:fs'
import { delimiter, join } from 'node:path'

/** Why a test cannot run here, or undefined when it can. */
export type Lack = string | undefined

const executable = (path: string): boolean => {
  try {
    accessSync(path, constants.X_OK)
    return true
  } catch {
    return false
  }
}

/** Path of a program, or undefined. */
export const which = (name: string): string | undefined =>
  [...(process.env['PATH'] ?? '').split(delimiter), '/usr/sbin', '/sbin'].map((f) => join(f, name)).find(executable)

const first = (lacks: readonly Lack[]): Lack => lacks.find((l) => l !== undefined)

/**
 * Things of the environment that tests need. `describeIf(requires.command('x', 'pkg'), 'title', ...)` runs the tests or
 * skips them by name, the reason in the title where the reporter of `npm test` finds it. Nothing else may skip.
 */
export const requires = {
  command: (name: string, debianPackage: string): Lack => (which(name) ? undefined : `needs ${name}; apt-get install ${debianPackage}`),
  /** A shared library where Debian has it. */
  library: (file: string, debianPackage: string): Lack =>
    (['', ...readdirSync('/usr/lib')].some((f) => existsSync(join('/usr/lib', f, file))) ? undefined : `needs ${file}; apt-get install ${debianPackage}`),
  libiscsi: (): Lack => requires.command('iscsi-ls', 'libiscsi-bin'),
  /** qemu-img and qemu-io with the iSCSI module. */
  qemu: (): Lack => first([
    requires.command('qemu-img', 'qemu-utils'), requires.command('qemu-io', 'qemu-utils'),
    ['', ...readdirSync('/usr/lib')].some((f) => existsSync(join('/usr/lib', f, 'qemu/block-iscsi.so')))
      ? undefined : `needs QEMU's iSCSI module; apt-get install qemu-block-extra`,
  ]),
  proc: (): Lack => (existsSync('/proc/self/status') ? undefined : 'needs /proc'),
  all: (...lacks: Lack[]): Lack => first(lacks),
}

const titled = (title: string, lack: Lack): string => (lack === undefined ? title : `${title} [skipped: ${lack}]`)

export function describeIf(lack: Lack, title: string, body: () => void): void {
  // eslint-disable-next-line @typescript-eslint/no-unused-expressions
  lack === undefined ? describe(title, body) : describe.skip(titled(title, lack), body)
}

export function testIf(lack: Lack, title: string, body: () => Promise<void>, timeoutMs?: number): void {
  if (lack === undefined) test(title, body, timeoutMs)
  else test.skip(titled(title, lack), body)
}

import { existsSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { DEFAULT_TARGET, isLoopback, parseAddress, parseLun } from '../control'
import { DevSession, type Traced } from '../dev'
import { tcmuError } from '../errors'
import { createLog } from '../log'
import { COMMAND_LINE } from './command-line'
import { levelOf } from './daemon'
import { catchFaults, DRAIN_MS, firstSignal } from './serve'

export interface DevFlags {
  readonly lun: readonly string[]
  readonly portal: string
  readonly trace: Traced
  readonly logLevel?: string
}

const flagError = (key: string, wanted: string, found: string): Error => tcmuError('E_CONFIG', { file: COMMAND_LINE, key, wanted, found })

/** Serve a package from its working folder until a signal. Resolves to the exit code. */
export async function dev(path: string, flags: DevFlags): Promise<number> {
  const folder = resolve(path)
  const portal = parseAddress(flags.portal)
  const luns = flags.lun.map(parseLun)
  if (!existsSync(join(folder, 'package.json'))) throw flagError('folder', 'a handler package', `${folder}, which has no package.json`)
  if (!isLoopback(portal.address)) throw flagError('--portal', 'an address of this machine alone, such as 127.0.0.1:3260', flags.portal)
  const log = createLog({ level: levelOf(flags), human: true })
  const trace = log.child({}, { level: 'trace' })
  const session = new DevSession({
    folder, luns, portal, log, trace: flags.trace, targetName: DEFAULT_TARGET, hostPackage: join(__dirname, '../..'), say: (line) => trace.trace(line),
  })
  const signalled = firstSignal(log)
  const faulted = new Promise<string>((found) => catchFaults(log, found))
  const ended = Promise.race([signalled, faulted])
  try {
    const urls = await Promise.race([session.start(), ended.then(() => undefined)])
    if (urls) process.stdout.write(`${['ready', ...urls].join(' ')}\n`)
    const why = await ended
    log.info(`${why}: stopping`)
    return why.startsWith('SIG') ? 0 : 1
  } finally {
    await session.stop(DRAIN_MS)
  }
}

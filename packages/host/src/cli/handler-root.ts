import { closeSync, constants, mkdirSync, openSync, readFileSync } from 'node:fs'
import { release } from 'node:os'
import { join, resolve } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { callSocket, defaultSocket } from '../control'
import { reasonOf, TcmuError, tcmuError } from '../errors'
import type { RescanReport } from '../handler-set'
import { createHost } from '../host'
import type { HostOptions } from '../host-options'
import { loadNative } from '../platform'
import { type Environment, environment, type HandlerRegistry, type InstalledPackage, installedIn, PathGuard, type Refusal, type TrustPlaces } from '../plugins'
import { type HandlerFlags, handlerOptions, type Surroundings } from './options'
import { withProgress } from './progress'

export interface RootFlags extends HandlerFlags {
  readonly socket?: string
  readonly json?: boolean
}

const LOCK = '.tcmu-host.lock'
const LOCK_POLL_MS = 200
const RESCAN_MS = 60_000
const FOLDER_MODE = 0o755

/** The handler root that a command works on. */
export class HandlerRoot {
  readonly root: string
  readonly places: TrustPlaces
  private readonly options: HostOptions
  private readonly environment: Environment

  constructor(private readonly flags: RootFlags, private readonly at: Surroundings) {
    this.options = handlerOptions(flags, at)
    this.root = resolve(this.options.handlerRoot!)
    const guard = new PathGuard()
    this.places = { root: this.root, asked: this.options.handlerRootAsked, hostPackage: join(__dirname, '../..'), guard }
    this.environment = environment({ kernel: release(), guard })
  }

  /** Handlers as a host would see them now. */
  registry(): HandlerRegistry {
    return createHost(this.options).registry
  }

  installed(): { packages: readonly InstalledPackage[]; refusals: readonly Refusal[] } {
    return installedIn(this.root, this.environment)
  }

  /** Make it where it is not there. Throws E_INSTALL_ROOT when it is not to be used. */
  prepare(): void {
    try {
      mkdirSync(this.root, { recursive: true, mode: FOLDER_MODE })
    } catch (e) {
      throw tcmuError('E_INSTALL_ROOT', { root: this.root, reason: reasonOf(e) }, { cause: e })
    }
    const unsafe = this.places.guard.checkRecord(this.root)
    if (unsafe) throw tcmuError('E_INSTALL_ROOT', { root: this.root, reason: `${unsafe.path}: wanted ${unsafe.wanted}, found ${unsafe.found}` })
  }

  /** Work on it alone: others wait. Rejects with E_INSTALL_ROOT, or as `work` does. */
  async alone<T>(work: () => Promise<T>): Promise<T> {
    const fd = this.openLock()
    try {
      const locked = (): boolean => loadNative().lockFile(fd, true)
      if (!locked()) await withProgress(`another tcmu-host works on ${this.root}; waiting`, async () => {
        while (!locked()) await sleep(LOCK_POLL_MS)
      })
      return await work()
    } finally {
      closeSync(fd)
    }
  }

  private openLock(): number {
    try {
      return openSync(join(this.root, LOCK), constants.O_RDWR | constants.O_CREAT | constants.O_NOFOLLOW, 0o600)
    } catch (e) {
      throw tcmuError('E_INSTALL_ROOT', { root: this.root, reason: reasonOf(e) }, { cause: e })
    }
  }

  /** What npm was asked to have here, by name: package.json of the root. */
  asked(): Readonly<Record<string, string>> {
    try {
      const { dependencies } = JSON.parse(readFileSync(join(this.root, 'package.json'), 'utf8')) as { dependencies?: Record<string, string> }
      return dependencies ?? {}
    } catch {
      return {}
    }
  }

  /** Have a running host look again; undefined when none runs. */
  async tellHost(): Promise<RescanReport | undefined> {
    const { socket } = this.flags
    const path = socket ?? defaultSocket(this.at.env, this.at.uid)
    if (path === undefined) return undefined
    try {
      return await callSocket(path, 'rescan', {}, RESCAN_MS) as RescanReport
    } catch (e) {
      if (e instanceof TcmuError && e.code === 'E_NOT_RUNNING' && socket === undefined) return undefined
      throw e
    }
  }
}

type Served = RescanReport['handlers'][number]

function lineOf({ subtype, version, withdrawn, restartFor }: Served): string {
  if (withdrawn !== undefined) return `The running host opens no new devices of ${subtype}`
  if (restartFor !== undefined) return `The running host has ${version} of ${subtype} in its own process, and uses ${restartFor} after a restart: restart needed`
  return `The running host has ${subtype}, for devices that open from now on`
}

/** What a running host makes of a package, in lines; none when no host runs. */
export function hostLines(report: RescanReport | undefined, name: string, root: string): string[] {
  if (!report) return []
  if (report.handlerRoot !== root) return [`The running host looks into another handler root: ${report.handlerRoot ?? 'none'}`]
  const mine = report.handlers.filter((h) => h.package === name)
  if (mine.length === 0) return ['The running host does not use it']
  const open = mine.flatMap((h) => h.devices)
  return [...mine.map(lineOf), ...(open.length ? [`Devices that are open keep the code they were opened with: ${open.join(', ')}`] : [])]
}

import { realpathSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { type Address, formatAddress, type LunConfig, serialOf } from '../control'
import type { DeviceRuntime } from '../device'
import { reasonOf, TcmuError, tcmuError } from '../errors'
import { listenError, loadFrontEnd, type Portal } from '../frontend'
import { createIoEngine, type IoEngine } from '../io'
import { handlerLog, type Logger } from '../log'
import { LineBudget } from './budget'
import { Generation, handlersIn, type Workshop } from './generation'
import { LiveUnit } from './live-unit'
import { placeOf, syntaxErrorIn } from './place'
import { amount, traceDevice } from './trace'
import type { Traced } from './traced'
import { CodeWatch } from './watch'

export interface DevOptions {
  readonly folder: string
  readonly hostPackage: string
  /** None: one of 64 MiB for the first handler of the package. */
  readonly luns: readonly LunConfig[]
  readonly portal: Address
  readonly targetName: string
  readonly trace: Traced
  readonly log: Logger
  /** A line of the trace. */
  readonly say: (line: string) => void
}

/** Commands of the former code get so long to end, before they are aborted. */
const DRAIN_MS = 2000
/** Then its process is ended, with whatever it does. */
const STUCK_MS = 6000
const DEFAULT_BYTES = 64 * 2 ** 20
type Lun = LunConfig & { readonly serial: string }
const lunOf = (subtype: string): LunConfig => ({ name: 'dev', sizeBytes: DEFAULT_BYTES, blockSize: 512, readOnly: false, subtype, config: '', options: undefined, serial: undefined })

/** A handler package served from its working folder: its code is exchanged when a file of it changes, sessions stay. */
export class DevSession {
  private readonly log: Logger
  private readonly workshop: Workshop
  private readonly io: IoEngine = createIoEngine()
  private readonly budget: LineBudget
  private watch: CodeWatch | undefined
  private luns: readonly Lun[] = []
  private generation: Generation | undefined
  /** Of which devices are being opened. */
  private opening: Generation | undefined
  private devices: readonly DeviceRuntime[] = []
  private units: readonly LiveUnit[] = []
  private portal: Portal | undefined
  /** Files that changed and were not taken in yet; undefined: none did. */
  private pending: Set<string> | undefined
  private work: Promise<void> = Promise.resolve()
  private listening: (urls: readonly string[]) => void = () => undefined
  private failed: (e: Error) => void = () => undefined
  private stopped = false

  constructor(private readonly options: DevOptions) {
    const { folder, hostPackage, log } = options
    this.log = log
    this.workshop = { folder: realpathSync(folder), hostPackage, io: this.io, log: (facts) => handlerLog(log, facts) }
    this.budget = new LineBudget(options.say, amount)
  }

  /** Resolves to one URL for each LUN once the code is good and the portal listens. Rejects when that cannot be. */
  async start(): Promise<readonly string[]> {
    const { folder, targetName } = this.options
    const handlers = handlersIn(folder)
    const first = handlers[0]!
    const luns = this.options.luns.length ? this.options.luns : [lunOf(first.manifest.subtype)]
    const known = handlers.map((h) => h.manifest.subtype)
    const stranger = luns.find((lun) => !known.includes(lun.subtype))
    if (stranger) throw tcmuError('E_UNKNOWN_SUBTYPE', { subtype: stranger.subtype, known: known.join(', ') })
    this.luns = luns.map((lun) => ({ ...lun, serial: lun.serial ?? serialOf(targetName, lun.name) }))
    this.watch = new CodeWatch(this.workshop.folder, (files) => this.changed(files), first.entry).start()
    return new Promise((resolve, reject) => {
      this.listening = resolve
      this.failed = reject
      this.changed([])
    })
  }

  private changed(files: readonly string[]): void {
    const waiting = this.pending
    this.pending = new Set([...(waiting ?? []), ...files])
    // An `open` that never settles is not waited for when there is something newer.
    void this.opening?.close()
    if (waiting) return
    this.work = this.work.then(async () => {
      const now = [...this.pending!]
      this.pending = undefined
      if (!this.stopped) await this.take(now)
    }).catch((e: unknown) => this.failed(e as Error))
  }

  /** Load what is there and serve it; when it does not do, what was served goes on. */
  private async take(files: readonly string[]): Promise<void> {
    const began = performance.now()
    let next: Generation
    try {
      next = await Generation.load(this.workshop, this.luns.map((l) => l.subtype))
    } catch (e) {
      await this.complain('does not load', e, files)
      return
    }
    if (this.units.length === 0) await this.first(next, files)
    else await this.exchange(next, files, began)
  }

  private async first(next: Generation, files: readonly string[]): Promise<void> {
    try {
      this.devices = await this.opened(next)
    } catch (e) {
      await next.close()
      await this.complain('does not open', e, files)
      return
    }
    this.generation = next
    this.units = this.devices.map((device) => new LiveUnit(device))
    await this.listen()
  }

  private async opened(generation: Generation): Promise<readonly DeviceRuntime[]> {
    this.opening = generation
    try {
      const devices = await generation.open(this.luns)
      for (const device of devices) traceDevice(device, this.options.trace, this.budget)
      return devices
    } finally {
      this.opening = undefined
    }
  }

  private async listen(): Promise<void> {
    const { portal: at, targetName, log } = this.options
    const frontEnd = await loadFrontEnd('iscsi')
    this.portal = frontEnd.createPortal({ ...at, targetName, luns: new Map(this.units.map((u, i) => [i, u.unit])), log: handlerLog(log, { frontend: 'iscsi' }) })
    try {
      const bound = await this.portal.listen()
      this.listening(this.units.map((_, lun) => `iscsi://${formatAddress(bound)}/${targetName}/${lun}`))
    } catch (e) {
      throw listenError(e, formatAddress(at))
    }
  }

  private async exchange(next: Generation, files: readonly string[], began: number): Promise<void> {
    for (const unit of this.units) unit.hold()
    const before = await this.letGo()
    try {
      this.devices = await this.opened(next)
      this.generation = next
    } catch (e) {
      await next.close()
      await this.complain('does not open', e, files)
      await this.goBack(before)
      return
    }
    const waited = this.goOn()
    await before?.close()
    const names = this.luns.map((l) => l.name).join(', ')
    this.log.info(`${filesText(files)}: ${names} runs the new code after ${(performance.now() - began).toFixed(0)} ms${waited ? `; ${waited} commands waited` : ''}`)
  }

  /** Close what is served. Resolves to the code of it, where that can be gone back to. */
  private async letGo(): Promise<Generation | undefined> {
    const { generation } = this
    const closing = this.closeDevices(DRAIN_MS).then(() => true)
    if (await Promise.race([closing, sleep(STUCK_MS, false, { ref: false })])) return generation
    this.log.warn('the code of before does not let go of its commands; its process is ended')
    await generation?.close()
    return undefined
  }

  private async closeDevices(deadlineMs: number): Promise<void> {
    const open = this.devices
    this.devices = []
    await Promise.all(open.map((device) => device.close(deadlineMs).catch((e: unknown) => this.log.warn(`${device.name} did not close cleanly: ${reasonOf(e)}`))))
  }

  private goOn(): number {
    const waited = this.units.reduce((n, unit) => n + unit.waiting, 0)
    for (const [i, unit] of this.units.entries()) unit.use(this.devices[i]!)
    return waited
  }

  /** The former code is still loaded: it opens its devices again, or initiators are told BUSY until the package is mended. */
  private async goBack(before: Generation | undefined): Promise<void> {
    try {
      if (!before) throw new Error('nothing was served before')
      this.devices = await this.opened(before)
      this.goOn()
      this.log.info(`${this.luns.map((l) => l.name).join(', ')} goes on with the code of before`)
    } catch (e) {
      await before?.close()
      this.generation = undefined
      for (const unit of this.units) unit.park()
      this.log.error(`the code of before does not open either: ${reasonOf(e)}; initiators are told BUSY until the package is mended`)
    }
  }

  private async complain(what: string, e: unknown, files: readonly string[]): Promise<void> {
    const { folder } = this.workshop
    const place = placeOf(folder, e) ?? await syntaxErrorIn(folder, files.length ? files : [handlerEntry(folder)], e)
    const then = this.units.length === 0 ? 'nothing is served until it is mended' : what === 'does not load' ? 'the code of before goes on' : ''
    this.log.error(`${filesText(files)}: the package ${what}: ${saidBy(e)}${place ? ` (${place})` : ''}${then && `; ${then}`}`)
  }

  /** Let commands end for up to `deadlineMs`, close everything. */
  async stop(deadlineMs: number): Promise<void> {
    this.stopped = true
    this.watch?.stop()
    void this.opening?.close()
    await this.work
    await this.portal?.close(deadlineMs)
    await Promise.race([this.closeDevices(deadlineMs), sleep(deadlineMs + STUCK_MS, undefined, { ref: false })])
    await this.generation?.close()
    await this.io.close()
    this.budget.flush()
  }
}

/** Who reads this wrote the package: what Node.js said, without whom to tell it to. */
const saidBy = (e: unknown): string => (e instanceof TcmuError && e.code === 'E_HANDLER_IMPORT' ? String(e.facts['found']) : reasonOf(e))

function handlerEntry(folder: string): string {
  try {
    return handlersIn(folder)[0]!.entry.slice(folder.length + 1)
  } catch {
    return ''
  }
}

const MOST_NAMED = 3
function filesText(files: readonly string[]): string {
  if (files.length === 0) return 'start'
  const more = files.length - MOST_NAMED
  return `${files.slice(0, MOST_NAMED).join(', ')}${more > 0 ? ` and ${more} more` : ''} changed`
}

import { type Change, type CommandsHandler, isBlocks } from '../handler/types'
import type {
  Abilities, AskOptions, Barrier, BlockOps, CommandRow, DirectMedium, Identity, Limits, LogicalUnit, LunExtension, ModeState, Nexus, PortGroups, PortIdentity, Reply, Result, SavedModes, Task,
} from '../scsi'
import { CommandTable, rowsFor } from '../scsi/command-table'
import { blockModePages, initialModes, restoreModes } from '../scsi'
import { ask } from '../scsi/ask'
import { stage } from '../scsi/lun'
import { CopyJobs } from '../scsi/copy/jobs'
import { op } from '../scsi/opcodes'
import { Turns } from '../scsi/medium'
import { isStatus, Status } from '../scsi/status'
import { runRow } from './admit'
import { barrierOf, DevicePortGroups, lockModeOf, type PortGroupSource } from './alua'
import { Availability } from './availability'
import { Attentions } from './attention'
import { tapChain } from './chain'
import { chainOf, type DeviceChain } from './device-chain'
import { DirectPathChoice } from './direct'
import { Complaints } from './complaints'
import { Extensions } from './extensions'
import { faultOf, isThenable } from './fault'
import { Faults } from './faults'
import { Claim, RangeGate } from './gate'
import { Operations } from './operations'
import { DeviceHistory } from './history'
import { deviceHooks, type DeviceHooks } from './hooks'
import type { DeviceFault, HostedDevice } from './hosted'
import { Inflight } from './inflight'
import type { State } from './lifecycle'
import { abilitiesOf, abilitiesOfMedium, noAbilities, noOps, wireMedium, wireOps } from './ops'
import { resultOf } from './result'
import { SpaceWatch } from './space-watch'
import { type DeviceParts, identityOf, limitsOf, MOST_EMULATED, physicalExponentOf } from './spec'
import { count, type Counters, counters } from './statistics'
import { transferOf } from './transfer'
import { WriteCache } from './write-cache'

/** One logical unit at run time: one door in (`execute`), one door out (`settle`). Made by `openDevice`. */
export class DeviceRuntime implements LogicalUnit, HostedDevice {
  readonly hooks: DeviceHooks = deviceHooks()
  readonly counters: Counters = counters()
  readonly abilities: Abilities
  readonly limits: Limits
  readonly identity: Identity
  readonly blockSize: number
  readonly modes: ModeState = initialModes()
  readonly history = new DeviceHistory(this.counters)
  readonly strictCdb: boolean
  readonly writeCacheDefault: boolean
  readonly savedModes: SavedModes | undefined
  readonly physicalExponent: number
  readonly readOnly: boolean
  readonly rotationRate: number
  readonly unmappedReadsZero: boolean
  stopped = false
  answersLater = false
  barrier: Barrier | undefined
  /** Told of each command before anything else is; undefined: nobody wants to know. */
  trace: HostedDevice['trace']
  readonly scratch = new Turns(MOST_EMULATED)
  readonly operations = new Operations(
    (e) => this.faults.told(e, 'FORMAT UNIT or SANITIZE', 'write'), (is) => (this.attentions.held = is),
  )
  readonly copies = new CopyJobs()

  private capacity: number
  private configText: string
  private readonly cache: WriteCache
  private table: CommandTable | undefined
  /** State of the handler that the rows of the table are of: another one comes when it is opened again. */
  private tableOf: unknown
  private readonly extensions = new Extensions()
  private readonly live = new Inflight()
  private readonly available: Availability
  private groups: PortGroups | undefined
  private readonly gate = new RangeGate(this.live)
  private readonly attentions = new Attentions()
  private readonly path: DirectPathChoice
  private readonly complaints: Complaints
  private readonly faults: Faults
  private readonly space = new SpaceWatch(this, (e) => this.complaints.error('space', `${this.name}: ${faultOf(e, 'none').message}`))

  constructor(private readonly parts: DeviceParts) {
    const { spec, backend, properties: p } = parts
    const { handler } = backend
    const blocks = isBlocks(handler) ? handler : undefined
    this.complaints = new Complaints(parts.log)
    this.faults = new Faults(spec.name, this.complaints, (why) => this.report('connection-lost', why))
    const medium = blocks ? undefined : wireMedium(handler as CommandsHandler, backend)
    this.blockSize = p.blockSize ?? spec.blockSize
    this.abilities = blocks ? abilitiesOf(blocks, p, spec.thick)
      : medium ? abilitiesOfMedium(medium, p.lacking) : noAbilities
    this.physicalExponent = physicalExponentOf(p, spec)
    this.limits = limitsOf(p, this.blockSize, this.physicalExponent, spec.maxTransferBlocks)
    this.identity = identityOf(p, parts.serial ?? (() => spec.serial))
    this.configText = spec.config
    this.strictCdb = spec.strictCdb === true
    this.savedModes = parts.savedModes
    this.readOnly = spec.readOnly === true || p.readOnly === true
    this.rotationRate = p.solidState ? 1 : 0
    this.unmappedReadsZero = p.unmappedReadsZero === true
    this.capacity = Math.floor(parts.sizeBytes / this.blockSize)
    this.writeCacheDefault = p.writeCache ?? (blocks ?? medium)?.flush !== undefined
    this.cache = new WriteCache(this.writeCacheDefault, blocks ? wireOps(blocks, backend, this.hooks.ops) : (medium ?? noOps), {
      reconfigurable: handler.reconfigure !== undefined, reconfigure: (change) => (backend.open ? handler.reconfigure?.(backend.state, change) : Status.BUSY),
      writesDone: () => this.writesDone(),
    })
    this.path = new DirectPathChoice(backend, this.hooks.ops, this)
    this.available = new Availability({
      name: spec.name, subtype: spec.subtype, backend, log: parts.log, live: this.live, event: this.hooks.event, counters: this.counters,
      lockMode: () => lockModeOf(this.groups), background: { stop: () => Promise.all([this.operations.stop(), this.history.selfTests.background?.stop()]) }, limits: spec.limits, timing: parts.recovery,
    })
    tapChain(this, this.hooks, backend, this.attentions, (task) => runRow(this, this.table ?? this.commands, this.gate, task))
  }

  get name(): string { return this.parts.spec.name }
  get subtype(): string { return this.parts.spec.subtype }
  get config(): string { return this.configText }
  get deviceType(): number {
    const type = (this.parts.backend.handler as CommandsHandler).deviceType ?? 0
    return typeof type === 'function' ? type(this.parts.backend.state) : type
  }
  get chain(): DeviceChain { return chainOf(this.parts.backend.handler) }
  get blocks(): number { return this.capacity }
  get writeCache(): boolean { return this.cache.on }
  get ops(): BlockOps { return this.cache.ops }
  /** Not while each write is followed by a flush. */
  get direct(): DirectMedium | undefined { return this.cache.emulated ? undefined : this.path.get() }
  get unwatched(): boolean { return this.trace === undefined && !this.hooks.completed.isUsed() }
  get state(): State { return this.available.state }
  get fault(): DeviceFault | undefined { return this.available.fault }
  get inflight(): number { return this.live.count }
  get commands(): CommandTable {
    const { backend, rows } = this.parts
    if (this.table !== undefined && this.tableOf === backend.state) return this.table
    this.tableOf = backend.state
    return (this.table = new CommandTable([...rowsFor(rows(backend.state), this), ...this.extensions.rows]))
  }

  /** What `open` of the handler gave. */
  get handlerState(): unknown { return this.parts.backend.state }

  ask(cdb: Uint8Array, options?: AskOptions): Promise<Reply> {
    return ask(this, cdb, options)
  }

  emulate(task: Task): Result {
    return runRow(this, this.commands, this.gate, task)
  }

  extend(part: LunExtension): void {
    this.extensions.add(part)
    this.table = undefined
    const answer = part.answer
    if (answer) this.hooks.command.tap({ name: part.name, stage: part.stage ?? stage.reservation }, (task) => answer(task))
  }

  port(nexus: Nexus): PortIdentity {
    return this.extensions.port(nexus)
  }

  neighbours(nexus: Nexus): Iterable<LogicalUnit> {
    return this.extensions.neighbours(nexus, this)
  }

  join(nexus: Nexus): void {
    this.attentions.join(nexus)
  }
  leave(nexus: Nexus): void {
    this.attentions.leave(nexus)
    this.copies.forget(nexus)
    const { backend } = this.parts
    if (backend.open) backend.handler.nexusLost?.(backend.state, nexus)
  }
  async reset(): Promise<void> {
    const { backend } = this.parts
    if (backend.open) backend.handler.reset?.(backend.state)
    this.copies.clear()
    await this.restore()
    this.attention(Status.BUS_DEVICE_RESET)
  }
  attend(nexus: Nexus, status: Status): void {
    this.attentions.attend(nexus, status)
  }
  attention(status: Status, except?: Nexus): void {
    this.attentions.attendAll(status, except)
    if (status === Status.MODE_CHANGED) this.space.update()
  }
  takeAttention(nexus: Nexus): Status | undefined {
    return this.attentions.take(nexus)
  }

  /** Mode parameters as after power on; `onlySaved` leaves those alone that were never saved. */
  async restore(onlySaved = false): Promise<void> {
    if (isBlocks(this.parts.backend.handler)) await restoreModes(this, blockModePages, onlySaved)
    this.space.update()
  }

  transferOf(task: Task): number {
    return transferOf(this, this.commands, task, this.parts.backend.handler.handleCmd !== undefined)
  }

  execute(task: Task): void {
    this.perform(task, this.commands.find(task.cdb) ?? undefined)
  }

  perform(task: Task, row: CommandRow | undefined): void {
    this.live.add(task)
    if (this.available.deadlines) task.started = this.available.deadlines.now
    task.row = row
    if (this.trace) this.trace(task)
    let result: Result | undefined
    try {
      result = this.available.open ? this.hooks.command.call(task) : this.unavailable(task)
    } catch (e) {
      this.settle(task, this.faults.explain(task, e))
      return
    }
    if (typeof result === 'number' || result === undefined) this.settle(task, result ?? Status.INVALID_CMD)
    else this.later(task, result)
  }

  /** What the host itself moved has been moved, or has failed. */
  ended(task: Task, outcome: Status | Error): void {
    this.settle(task, outcome instanceof Error ? this.faults.explain(task, outcome) : outcome)
  }

  private later(task: Task, result: Promise<Status>): void {
    task.deferred = !task.shielded || this.parts.backend.handler.handleCmd !== undefined
    if (!isThenable(result)) {
      this.settle(task, this.faults.explain(task, new TypeError(`${this.subtype} answered with ${typeof result}, not with a status`)))
      return
    }
    // Of a promise of the handler's own making this makes one that settles once.
    Promise.resolve(result).then(
      (status) => this.settle(task, status ?? Status.OK),
      (e: unknown) => this.settle(task, this.faults.explain(task, e)),
    )
  }

  /** Recovery is not for ever: initiators try again after BUSY. What needs no handler is answered. */
  private unavailable(task: Task): Result {
    const { state } = this.available
    if (state !== 'recovering' && state !== 'running') return Status.NOT_READY
    if (task.row?.allowed?.recovering) return runRow(this, this.commands, this.gate, task)
    return task.cdb[0] === op.TEST_UNIT_READY ? Status.BECOMING_READY : Status.BUSY
  }

  /** The one door out. Waits for I/O that a handler left under way: its memory is still being written to. */
  private settle(task: Task, status: Status): void {
    if (task.moving) return
    if (task.data.pinned.pins > 0) {
      this.complaints.error('pins', `${this.name}: ${this.subtype} settled a command before its I/O was done; the host waits for it`)
      setTimeout(() => this.settle(task, status), 1)
      return
    }
    if (status !== Status.OK && !isStatus(status)) status = this.faults.explain(task, new TypeError(`${this.subtype} answered ${String(status)}, which is no status`))
    resultOf(task, task.aborted ? Status.ABORTED : status, this.modes.dSense)
    this.live.remove(task)
    if (task.claim) this.gate.release(task)
    count(this.counters, task)
    if (this.hooks.completed.isUsed()) this.tell(task, status)
    task.finish()
  }

  private tell(task: Task, status: Status): void {
    try {
      this.hooks.completed.call(task, status)
    } catch (e) {
      this.faults.listener(e)
    }
  }

  async abort(which: (task: Task) => boolean): Promise<number> {
    const tasks = this.live.filter(which)
    const done = tasks.map((task) => this.live.gone(task))
    for (const task of tasks) task.abort()
    await Promise.all(done)
    return tasks.length
  }

  /** Resolves when the writes that are live now have ended. */
  private async writesDone(): Promise<void> {
    await Promise.all(this.live.filter((task) => task.claim !== Claim.NONE).map((task) => this.live.gone(task)))
  }

  setWriteCache(on: boolean): Promise<Status> {
    return this.cache.set(on)
  }

  /** Tell the handler of a change; when it agrees, initiators hear of it. */
  async reconfigure(change: Change): Promise<Status> {
    if (change.kind === 'writeCache') return this.setWriteCache(change.on)
    const { backend } = this.parts
    if (!backend.handler.reconfigure) return Status.NOT_HANDLED
    if (!backend.open) return Status.BUSY
    const status = (await backend.handler.reconfigure(backend.state, change)) ?? Status.OK
    if (status === Status.OK && change.kind === 'size') this.resized(change.sizeBytes)
    if (status === Status.OK && change.kind === 'config') this.configText = change.config
    return status
  }

  /** The medium has another size now. */
  resized(sizeBytes: number): void {
    const blocks = Math.floor(sizeBytes / this.blockSize)
    if (blocks === this.capacity) return
    this.capacity = blocks
    this.attention(Status.CAPACITY_CHANGED)
    this.hooks.event.call({ kind: 'resized', sizeBytes })
  }

  /** Another medium is in, or none (0 bytes): its capacity is news only when there is one (SPC-4 5.14, MMC-6 4.1.6). */
  mediumChanged(sizeBytes: number): void {
    this.capacity = Math.floor(sizeBytes / this.blockSize)
    if (sizeBytes === 0) return
    this.attention(Status.MEDIUM_CHANGED)
    this.hooks.event.call({ kind: 'resized', sizeBytes })
  }

  /** What the handler says of its backend. */
  report(kind: 'connection-lost' | 'lock-lost' | 'space-low', why?: string): void {
    if (kind === 'space-low') this.attention(Status.SOFT_THRESHOLD)
    this.available.report(kind, why)
  }

  get portGroups(): PortGroups | undefined {
    return this.groups
  }

  /** The target port groups that commands come through, as a front end has them. */
  usePortGroups(source: PortGroupSource): void {
    const { lock } = this.available
    const groups = new DevicePortGroups(source, { name: this.name, lock, connectionLost: (why) => this.available.loseConnection(why), log: this.parts.log })
    groups.watch(() => (this.table = undefined))
    this.groups = groups
    this.table = undefined
    this.barrier = barrierOf(source, lock)
  }

  /** Take nothing new, wait for what is under way, close the handler. After `deadlineMs` live commands are aborted. */
  close(deadlineMs: number): Promise<void> {
    this.space.stop()
    return this.available.close(deadlineMs)
  }
}

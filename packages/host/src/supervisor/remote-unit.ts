import type { Change } from '../handler'
import { type DeviceEvent, type DeviceFault, deviceHooks, type HostedDevice, type TracedCommand } from '../device'
import { type AskOptions, type Reply, sam, Status } from '../scsi'
import type { UnitFacts } from './messages'
import type { Rpc } from './rpc'
import { CALL_MS, type HostEvent } from './tenant'

/** Whoever lists devices waits for a process that is busy, but not for long. */
const FACTS_MS = 1000

const unanswered: Reply = Object.freeze({ status: sam.BUSY, sense: new Uint8Array(0), data: Buffer.alloc(0), residual: 0 })

/** A device of another process as lists and commands of the operator see it. */
export class RemoteUnit implements HostedDevice {
  readonly hooks = deviceHooks()
  readonly chain = { filters: '', routes: {} }
  private facts: UnitFacts | undefined
  private rpc: Rpc | undefined
  private standing: string | undefined
  private standingFault: DeviceFault | undefined
  private tracer: HostedDevice['trace']

  constructor(readonly device: number, readonly name: string, readonly subtype: string) {}

  get config(): string { return this.known.config }
  get state(): string { return this.standing ?? this.known.state }
  get fault(): DeviceFault | undefined { return this.standing === undefined ? this.known.fault : this.standingFault }
  get blocks(): number { return this.known.blocks }
  get blockSize(): number { return this.known.blockSize }
  get deviceType(): number { return this.known.deviceType }
  get readOnly(): boolean { return this.known.readOnly }
  get writeCache(): boolean { return this.known.writeCache }
  get identity(): { readonly serial: string } { return { serial: this.known.serial } }
  get inflight(): number { return this.standing === undefined ? this.known.inflight : 0 }
  get counters(): UnitFacts['counters'] { return this.known.counters }

  private get known(): UnitFacts {
    if (!this.facts) throw new Error(`${this.name} has not been opened`)
    return this.facts
  }

  get trace(): HostedDevice['trace'] { return this.tracer }
  set trace(fn) {
    this.tracer = fn
    this.tellTrace()
  }

  private tellTrace(): void {
    // Whoever cannot be asked is gone, and its successor is told when it is there.
    this.rpc?.call('trace', { device: this.device, on: this.tracer !== undefined }, CALL_MS).catch(() => undefined)
  }

  /** It is open in a process. */
  connect(rpc: Rpc, facts: UnitFacts): void {
    this.rpc = rpc
    this.standing = undefined
    this.facts = facts
    if (this.tracer) this.tellTrace()
  }

  /** It is open in none: `state` says what it is instead, and `reason` why. */
  disconnect(state: 'restarting' | 'parked' | 'closed', reason?: string): void {
    this.rpc = undefined
    if (this.standing === state) return
    this.standing = state
    this.standingFault = reason === undefined ? undefined : { reason, since: new Date().toISOString() }
    this.hooks.event.call({ kind: 'state', state })
  }

  learn(facts: UnitFacts): void {
    this.facts = facts
  }

  hear(event: HostEvent): void {
    if (event.event === 'command') this.tracer?.(event.command satisfies TracedCommand)
    else if (event.event === 'happened') {
      this.learn(event.facts)
      this.hooks.event.call(event.what satisfies DeviceEvent)
    }
  }

  async refresh(): Promise<void> {
    const facts = await this.rpc?.call('facts', { device: this.device }, FACTS_MS).catch(() => undefined)
    if (facts) this.learn(facts)
  }

  /** A signal does not reach it, and neither does who asks. */
  async ask(cdb: Uint8Array, options: AskOptions = {}): Promise<Reply> {
    const { out, in: room } = options
    const reply = await this.rpc?.call('ask', { device: this.device, cdb, options: { ...(out && { out }), ...(room !== undefined && { in: room }) } }, CALL_MS).catch(() => undefined)
    return reply ? { ...reply, data: Buffer.from(reply.data) } : unanswered
  }

  async reconfigure(change: Change): Promise<Status> {
    if (!this.rpc) return Status.BUSY
    const status = (await this.rpc.call('reconfigure', { device: this.device, change }, CALL_MS)) as Status
    await this.refresh()
    return status
  }
}

import type { DeviceRuntime } from '../device'
import { resultOf } from '../device/result'
import { type CommandRow, type LogicalUnit, type LunExtension, type Nexus, Status, type Task } from '../scsi'

/** So long commands wait for another device; then they are answered BUSY, and initiators try again. */
export const HOLD_MS = 3000

interface Held {
  readonly task: Task
  readonly run: (device: DeviceRuntime) => void
}

function end(task: Task, status: Status): void {
  resultOf(task, status, false)
  task.finish()
}

/** A logical unit whose device is exchanged under the sessions that use it: they see a pause, BUSY, and a unit attention. */
export class LiveUnit {
  /** What front ends are given. */
  readonly unit: LogicalUnit
  private readonly parts: LunExtension[] = []
  private readonly nexuses = new Set<Nexus>()
  private held: Held[] | undefined
  private busy = false
  private timer: NodeJS.Timeout | undefined

  constructor(private device: DeviceRuntime, private readonly holdMs = HOLD_MS) {
    const own: Partial<LogicalUnit> = {
      execute: (task) => this.take({ task, run: (d) => d.execute(task) }),
      perform: (task, row: CommandRow) => this.take({ task, run: (d) => d.perform(task, row) }),
      extend: (part) => {
        this.parts.push(part)
        this.device.extend(part)
      },
      join: (nexus) => {
        this.nexuses.add(nexus)
        this.device.join(nexus)
      },
      leave: (nexus) => {
        this.nexuses.delete(nexus)
        this.device.leave(nexus)
      },
      abort: (which) => this.abort(which),
    }
    this.unit = new Proxy({}, {
      get: (_, name) => (Object.hasOwn(own, name) ? own[name as keyof LogicalUnit] : this.member(name)),
      set: (_, name, value: unknown) => Reflect.set(this.device, name, value),
      has: (_, name) => Reflect.has(this.device, name),
    }) as LogicalUnit
  }

  private member(name: string | symbol): unknown {
    const { device } = this
    const value: unknown = Reflect.get(device, name, device)
    return typeof value === 'function' ? (value as (...a: unknown[]) => unknown).bind(device) : value
  }

  /** Commands that wait. */
  get waiting(): number {
    return this.held?.length ?? 0
  }

  private take(held: Held): void {
    if (!this.held) held.run(this.device)
    else if (this.busy) end(held.task, Status.BUSY)
    else this.held.push(held)
  }

  private async abort(which: (task: Task) => boolean): Promise<number> {
    const gone = this.held?.filter(({ task }) => which(task)) ?? []
    this.held = this.held?.filter((h) => !gone.includes(h))
    for (const { task } of gone) {
      task.abort()
      end(task, Status.ABORTED)
    }
    return gone.length + await this.device.abort(which)
  }

  /** Let nothing more through to the device, until `use`. */
  hold(): void {
    if (this.held) return
    this.held = []
    this.timer = setTimeout(() => this.park(), this.holdMs).unref()
  }

  /** There is no device for now: BUSY, what waits included. */
  park(): void {
    this.hold()
    clearTimeout(this.timer)
    this.busy = true
    for (const { task } of this.held!.splice(0)) end(task, Status.BUSY)
  }

  /** Go on with this device. Sessions hear of a reset (6/29/00), and of another capacity. */
  use(device: DeviceRuntime): void {
    const resized = device.blocks !== this.device.blocks || device.blockSize !== this.device.blockSize
    this.device = device
    for (const part of this.parts) device.extend(part)
    for (const nexus of this.nexuses) {
      device.join(nexus)
      device.attend(nexus, Status.POWER_ON)
      if (resized) device.attend(nexus, Status.CAPACITY_CHANGED)
    }
    clearTimeout(this.timer)
    const held = this.held ?? []
    this.held = undefined
    this.busy = false
    for (const { run } of held) run(device)
  }
}

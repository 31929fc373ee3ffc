import { DeviceRuntime, type HostedDevice } from '../device'
import { tcmuError } from '../errors'
import type { AskOptions, Reply } from '../scsi'
import type { PulledCommand } from './command'
import { PulledState } from './pulled'
import type { CommandQueue } from './queue'

export interface PullOptions {
  /** Commands pulled and not completed at a time; the next one comes when one of them is. Default 128. */
  readonly most?: number
}

const MOST_PULLED = 128

/** One device of a host, for the program that the host runs in. */
export class HostDevice {
  constructor(private readonly device: HostedDevice) {}

  get name(): string { return this.device.name }
  get state(): string { return this.device.state }

  /** The device itself. Throws E_NOT_HERE when its handler runs in another process. */
  get unit(): DeviceRuntime {
    if (this.device instanceof DeviceRuntime) return this.device
    throw tcmuError('E_NOT_HERE', { device: this.name, subtype: this.device.subtype })
  }

  private get queue(): CommandQueue {
    const { handlerState: state, name, subtype } = this.unit
    if (state instanceof PulledState) return state.queue
    throw tcmuError('E_NOT_PULLED', { device: name, subtype })
  }

  /** Send the device one command, as an initiator would. */
  ask(cdb: Uint8Array, options?: AskOptions): Promise<Reply> {
    return this.device.ask(cdb, options)
  }

  /** The next command if one waits; never waits itself. Throws E_NOT_PULLED. */
  take(): PulledCommand | undefined {
    return this.queue.take()
  }

  /**
   * Commands of the device in the order they came, until it closes. Several loops at a time share them. Throws E_NOT_PULLED
   * when its handler is not one made by `pulled`.
   */
  commands({ most = MOST_PULLED }: PullOptions = {}): AsyncGenerator<PulledCommand, void, void> {
    if (!(most >= 1)) throw new RangeError(`most ${most}: at least one command at a time`)
    void this.queue
    return this.pull(most)
  }

  private async *pull(most: number): AsyncGenerator<PulledCommand, void, void> {
    let taken = 0
    let freed = (): void => undefined
    for (;;) {
      if (taken >= most) await new Promise<void>((resolve) => (freed = resolve))
      const command = await this.queue.next()
      if (!command) {
        if (await this.again()) continue
        return
      }
      taken++
      command.whenOver(() => {
        taken--
        freed()
      })
      yield command
    }
  }

  /** Its queue was closed: whether the device opens again, with another. */
  private again(): Promise<boolean> {
    const { unit } = this
    return new Promise((resolve) => {
      let settled = false
      const look = (): void => {
        if (settled || (unit.state === 'running' && this.queue.closed)) return
        if (unit.state === 'recovering') return
        settled = true
        resolve(unit.state === 'running')
      }
      // Taps of a hook are for good, so this one looks away when it has its answer.
      unit.hooks.event.tap('pulled', look)
      look()
    })
  }
}

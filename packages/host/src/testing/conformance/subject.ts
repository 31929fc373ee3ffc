import { AssertionError } from 'node:assert'
import type { DeviceRuntime } from '../../device'
import { type Handler, type HandlerIo, isBlocks } from '../../handler'
import { directly, Initiator, type InitiatorTask } from '../initiator'
import { LogLines, testDevice } from '../harness'
import { fileIo } from '../file-io'
import { Watch } from './watch'

/** What a handler's author says of it. */
export interface Conformance {
  readonly handler: Handler
  /** The cfgstring after `subtype/`. A function is asked before each promise, for a medium that nothing was written to yet. */
  readonly config: string | (() => string | Promise<string>)
  /** Structured options, as the manifest's schema takes them. */
  readonly options?: unknown
  /** `blockSize` is 512 when left out; `sizeBytes` 0 when the handler says how large its medium is. */
  readonly geometry: { readonly sizeBytes: number; readonly blockSize?: number }
  /** How handlers open files: through node:fs when left out. */
  readonly io?: HandlerIo
  /** What was written is gone when the device is closed, as with a RAM disk. */
  readonly volatile?: boolean
  /** cfgstrings that must be refused with a sentence. */
  readonly badConfigs?: readonly string[]
  /** How long anything may take before it counts as never ending. Default 10000. */
  readonly patienceMs?: number
}

export interface OpenOptions {
  readonly config?: string
  readonly io?: HandlerIo
  readonly sizeBytes?: number
}

/** A device of the handler under test, and what the kit knows of its callbacks. */
export interface Opened {
  readonly device: DeviceRuntime
  readonly initiator: Initiator
  readonly watch: Watch
  readonly log: LogLines
  /** An initiator whose data comes in pieces of random size, up to this many bytes. */
  pieces(most: number, seed: number): Initiator
  /** An initiator whose tasks `see` gets before they are executed. */
  seeing(see: (task: InitiatorTask) => void): Initiator
}

const PATIENCE_MS = 10_000
const CLOSING_MS = 5000

/** What one promise works with: a fresh configuration, and devices that are closed behind it. */
export class Subject {
  private readonly devices: DeviceRuntime[] = []

  private constructor(readonly conformance: Conformance, readonly config: string) {}

  static async of(conformance: Conformance): Promise<Subject> {
    const { config } = conformance
    return new Subject(conformance, typeof config === 'function' ? await config() : config)
  }

  get handler(): Handler {
    return this.conformance.handler
  }

  /** Another fresh configuration; undefined when the author gave only one. */
  async another(): Promise<string | undefined> {
    const { config } = this.conformance
    return typeof config === 'function' ? config() : undefined
  }

  async open({ config = this.config, io = this.conformance.io ?? fileIo(), sizeBytes }: OpenOptions = {}): Promise<Opened> {
    const { handler, options, geometry } = this.conformance
    const watch = new Watch()
    const log = new LogLines()
    const device = await testDevice(watch.over(handler), {
      config, options, log, io, sizeBytes: sizeBytes ?? geometry.sizeBytes, blockSize: geometry.blockSize ?? 512,
    })
    this.devices.push(device)
    const initiator = (o: Parameters<typeof directly>[1] = {}): Initiator => new Initiator(directly(device, o), device.blockSize)
    return {
      device, watch, log, initiator: initiator(),
      pieces: (most, seed) => initiator({ pieces: most, seed }),
      seeing: (onTask) => initiator({ onTask }),
    }
  }

  async close(opened: Opened): Promise<void> {
    await this.shut(opened.device)
  }

  private shut(device: DeviceRuntime): Promise<void> {
    // Of commands that do not end the device lets go after its deadline and a grace of its own.
    return this.within(device.close(this.patience), 'close', this.patience + CLOSING_MS)
  }

  private get patience(): number {
    return this.conformance.patienceMs ?? PATIENCE_MS
  }

  /** `work`, or a failure that says what did not end. */
  async within<T>(work: Promise<T>, what: string, ms = this.patience): Promise<T> {
    let timer: NodeJS.Timeout | undefined
    const late = new Promise<never>((_resolve, reject) => {
      timer = setTimeout(() => reject(new AssertionError({ message: `${what} did not end in ${ms / 1000} s` })), ms)
    })
    return Promise.race([work, late]).finally(() => clearTimeout(timer))
  }

  /** Close what the promise left open. */
  async end(): Promise<void> {
    for (const device of this.devices) await this.shut(device)
  }
}

/** A failed promise, in words. */
export function broken(message: string): never {
  throw new AssertionError({ message, stackStartFn: broken })
}

export const movesBlocks = ({ handler }: Conformance): true | string => isBlocks(handler) || 'the handler is of shape commands'

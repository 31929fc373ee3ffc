import handler, { type GlfsOptions } from '@tcmu/handler-glfs'
import { loadGlfs } from '@tcmu/native/glfs'
import type { DeviceRuntime } from '../../packages/host/src/device'
import { createIoEngine, type IoEngine } from '../../packages/host/src/io'
import { type Initiator, initiatorOf, LogLines, testDevice, type TestDeviceOptions } from '../../packages/host/src/testing'
import type { GlusterNode } from './gluster'

export const BLOCK = 512
export const MiB = 2 ** 20

/** A served file: a device and an initiator on it. */
export interface Served {
  readonly device: DeviceRuntime
  readonly disk: Initiator
  readonly log: LogLines
}

export type Options = Omit<TestDeviceOptions, 'options'> & { readonly options?: GlfsOptions }

/** Devices of a node's volumes in this process. */
export class Volumes {
  readonly engine: IoEngine = createIoEngine()
  private readonly devices: DeviceRuntime[] = []

  constructor(private readonly node: () => GlusterNode) {}

  /** The cfgstring of a file, after `glfs/`. */
  config(path: string, volume = 'vol'): string { return `${volume}@${this.node().address}/${path}` }

  async serve(config: string, options: Options = {}): Promise<Served> {
    const log = new LogLines()
    const device = await testDevice(handler, { config, io: this.engine, log, ...options })
    this.devices.push(device)
    return { device, disk: initiatorOf(device, { pieces: 7000 }), log }
  }

  /** A file that is made, or one of this size that is there. */
  make(path: string, sizeBytes = 8 * MiB, options: Options = {}): Promise<Served> {
    return this.serve(this.config(path), { sizeBytes, ...options, options: { create: true, ...options.options } })
  }

  async close(): Promise<void> {
    await Promise.all(this.devices.map((d) => d.close(1000)))
    await this.engine.close()
  }
}

export function volumes(node: () => GlusterNode): Volumes {
  const it = new Volumes(node)
  afterAll(() => it.close())
  return it
}

export const connections = (): number => loadGlfs().connections()

export async function fill(s: Served, value: number, from: number, length: number): Promise<void> {
  expect(await s.disk.write(from / BLOCK, Buffer.alloc(length, value))).toMatchObject({ status: 0 })
}

export async function holds(s: Served, value: number, from: number, length: number): Promise<void> {
  const { data, status } = await s.disk.read({ lba: from / BLOCK, blocks: length / BLOCK })
  expect(status).toBe(0)
  expect(Buffer.from(data).findIndex((b) => b !== value)).toBe(-1)
}

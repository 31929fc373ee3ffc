import { join } from 'node:path'
import handlers from '@tcmu/handler-zbc'
import type { DeviceRuntime } from '../../../packages/host/src/device'
import type { CommandsHandler } from '../../../packages/host/src/handler'
import { createIoEngine, type IoEngine } from '../../../packages/host/src/io'
import { op, ReportZonesHeader, ZoneDescriptor, ZoneIn, ZoneOut, zoneAction } from '../../../packages/host/src/scsi'
import { type Initiator, initiatorOf, LogLines, type ScsiAnswer, testDevice, type TestDeviceOptions } from '../../../packages/host/src/testing'
import { temporaryFolder } from '../lib'

export const MiB = 2 ** 20

/** One zone as REPORT ZONES tells it. */
export type Reported = ReturnType<typeof ZoneDescriptor.decode>

export interface Zoned {
  readonly device: DeviceRuntime
  readonly disk: Initiator
  readonly lines: readonly string[]
  report(fields?: { lba?: number; options?: number; partial?: number; allocation?: number }): Promise<ScsiAnswer>
  zones(): Promise<Reported[]>
  manage(serviceAction: number, zone: number, fields?: { all?: number; count?: number }): Promise<ScsiAnswer>
  close(): Promise<void>
}

export function decodeZones(data: Uint8Array): Reported[] {
  const zones: Reported[] = []
  for (let at = ReportZonesHeader.size; at + ZoneDescriptor.size <= data.length; at += ZoneDescriptor.size) zones.push(ZoneDescriptor.decode(data, at))
  return zones
}

const REPORT_BYTES = 2 ** 20

/** Opens zoned devices over files of one folder; all of it is gone after the tests of the file. */
export function zonedBench(): { path(name: string): string; open(config: string, options?: TestDeviceOptions & { subtype?: string; pieces?: number }): Promise<Zoned> } {
  const folder = temporaryFolder()
  let engine: IoEngine
  const open = new Set<DeviceRuntime>()
  beforeEach(() => { engine = createIoEngine() })
  afterEach(async () => {
    for (const device of open) await device.close(5000)
    open.clear()
    await engine.close()
  })
  return {
    path: (name) => join(folder, name),
    async open(config, { subtype = 'zbc', pieces, ...options } = {}) {
      const handler = (handlers as readonly CommandsHandler[]).find((h) => h.subtype === subtype)!
      const log = new LogLines()
      const device = await testDevice(handler, { config, io: engine, log, sizeBytes: 16 * MiB, ...options })
      open.add(device)
      const disk = initiatorOf(device, { ...(pieces && { pieces }) })
      const report: Zoned['report'] = ({ allocation = REPORT_BYTES, ...fields } = {}) =>
        disk.send(ZoneIn.encode({ op: op.ZBC_IN, serviceAction: zoneAction.REPORT_ZONES, allocation, ...fields }), { dataIn: allocation })
      return {
        device, disk, report, lines: log.lines,
        zones: async () => decodeZones((await report()).data),
        manage: (serviceAction, zone, fields = {}) => disk.send(ZoneOut.encode({ op: op.ZBC_OUT, serviceAction, zone, ...fields }), {}),
        async close() {
          open.delete(device)
          await device.close(5000)
        },
      }
    },
  }
}

export const pattern = (blocks: number, seed: number, blockSize = 512): Buffer => {
  const out = Buffer.alloc(blocks * blockSize)
  for (let i = 0; i < out.length; i += 4) out.writeUInt32LE((Math.imul(i + 1, 2654435761) ^ Math.imul(seed, 40503)) >>> 0, i)
  return out
}

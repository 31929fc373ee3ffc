import type { BlocksHandler } from '@tcmu/host/handler'
import { Direction, type Nexus, noData, Segments } from '@tcmu/host/scsi'
import { type ScsiAnswer, type TestDeviceOptions, Initiator, InitiatorTask, cdb, decodeSense, directly, ramHandler, testDevice } from '@tcmu/host/testing'
import type { DeviceProperties } from '@tcmu/host/handler'
import type { DeviceRuntime } from '../../packages/host/src/device'

export const BLOCK = 512
/** Blocks of the disks made here, when nothing else is said. */
export const BLOCKS = 2048

export interface Disk {
  readonly device: DeviceRuntime
  /** The contents, to look at and to change behind the device's back. */
  readonly memory: Uint8Array
  readonly initiator: Initiator
  readonly other: Initiator
  /** A command with data or room of any length, whatever the CDB asks for. */
  send(bytes: Uint8Array, transfer?: { dataIn?: number; dataOut?: Uint8Array; direction?: Direction }): Promise<Outcome>
}

export interface Outcome extends Pick<ScsiAnswer, 'status' | 'key' | 'asc'> {
  readonly sense: Uint8Array
  readonly data: Buffer
  /** What a front end makes residuals of. */
  readonly transferLength: number
  readonly expected: number
}

export interface DiskOptions extends TestDeviceOptions {
  readonly declare?: DeviceProperties
  /** Callbacks in place of those of the RAM disk; undefined takes one away. */
  readonly handler?: Partial<Record<keyof BlocksHandler, unknown>>
}

/** A RAM disk of BLOCKS blocks behind the generic rows, with two initiators. */
export async function disk(options: DiskOptions = {}): Promise<Disk> {
  const { declare = {}, handler: changes = {}, ...rest } = options
  let memory = new Uint8Array(0)
  const changed = { ...ramHandler, ...changes } as Record<string, unknown>
  for (const [name, callback] of Object.entries(changes)) if (callback === undefined) delete changed[name]
  const handler = {
    ...(changed as unknown as BlocksHandler<Uint8Array>),
    open: (dev: Parameters<BlocksHandler['open']>[0]) => {
      dev.declare({ solidState: true, unmappedReadsZero: true, ...declare })
      return (memory = new Uint8Array(dev.sizeBytes))
    },
  }
  const device = await testDevice(handler, { sizeBytes: BLOCKS * BLOCK, serial: 'a1b2-c3d4', ...rest })
  const nexus: Nexus = { name: 'raw' }
  device.join(nexus)
  return {
    device, memory,
    initiator: new Initiator(directly(device, { nexus: { name: 'one' } }), device.blockSize),
    other: new Initiator(directly(device, { nexus: { name: 'two' }, pieces: 100 }), device.blockSize),
    send: (bytes, transfer = {}) => raw(device, nexus, bytes, transfer),
  }
}

function raw(device: DeviceRuntime, nexus: Nexus, bytes: Uint8Array, t: Parameters<Disk['send']>[1] & object): Promise<Outcome> {
  return new Promise((resolve) => {
    const task = new InitiatorTask(nexus, bytes, (done) => {
      const sense = done.sense.slice(0, done.senseLength)
      const data = done.data.toBuffer().subarray(0, done.dataInLength)
      resolve({ status: done.status, sense, ...decodeSense(sense), data, transferLength: done.transferLength, expected: done.expected })
    })
    task.direction = t.direction ?? (t.dataOut ? Direction.OUT : t.dataIn ? Direction.IN : Direction.NONE)
    task.expected = t.dataOut?.length ?? t.dataIn ?? 0
    task.data = task.expected === 0 ? noData : t.dataOut ? Segments.of(Uint8Array.from(t.dataOut)) : Segments.of(new Uint8Array(task.expected).fill(0xee))
    device.execute(task)
  })
}

/** `blocks` blocks, each filled with its own byte from `first` on. */
export const pattern = (blocks: number, first = 1): Buffer =>
  Buffer.concat(Array.from({ length: blocks }, (_, i) => Buffer.alloc(BLOCK, ((first + i - 1) % 255) + 1)))
export const blocksOf = (memory: Uint8Array, lba: number, blocks = 1): Buffer => Buffer.from(memory.slice(lba * BLOCK, (lba + blocks) * BLOCK))
export const zeroes = (blocks = 1): Buffer => Buffer.alloc(blocks * BLOCK)
/** Byte and bit that an ILLEGAL REQUEST points at (SPC-4 4.5.3, sense key specific field of fixed format sense data). */
export function fieldOf(sense: Uint8Array): { byte: number; bit: number; inCdb: boolean } | undefined {
  const flags = sense[15]
  if (!(flags & 0x80)) return undefined
  return { byte: sense[16] * 256 + sense[17], bit: flags & 0x08 ? flags & 7 : -1, inCdb: (flags & 0x40) !== 0 }
}
/** INFORMATION field of fixed format sense data; undefined when it is not valid. */
export const informationOf = (sense: Uint8Array): number | undefined =>
  sense[0] & 0x80 ? Buffer.from(sense).readUInt32BE(3) : undefined

/** Builders of READ and WRITE CDBs by their length. */
export const reads = { 6: cdb.read6, 10: cdb.read10, 12: cdb.read12, 16: cdb.read16 } as const
export const writes = { 6: cdb.write6, 10: cdb.write10, 12: cdb.write12, 16: cdb.write16 } as const
export const sizes = [6, 10, 12, 16] as const

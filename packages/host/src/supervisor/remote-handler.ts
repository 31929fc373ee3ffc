import { tcmuError } from '../errors'
import type { BlocksHandler, CommandsHandler, DeviceInfo, Handler } from '../handler'
import { type BlockIo, type BlockRange, cdb, Direction, type Extent, op, sam, type Space, Status, type Task, UnmapDescriptor, UnmapHeader } from '../scsi'
import type { Request } from '../ring'
import { Segments, u16be } from '../wire'
import { type Ask, copySegments } from './link'
import type { HandlerFacts } from './messages'
import { statusOfAnswer } from './sense'

/** A device that is open in another process, as the callbacks of its stand-in use it. */
export interface RemoteDevice {
  readonly blockSize: number
  readonly maxUnmapBlocks: number
  ask<T>(ask: Ask, answered: (answer: Request) => T): Promise<T | undefined>
  /** What to say when a command was given up. */
  readonly lost: Status
  reconfigure: NonNullable<Handler['reconfigure']>
  extents(range: BlockRange): Promise<readonly Extent[]>
  space(): Promise<Space>
  lock: NonNullable<BlocksHandler['lock']>
  unlock: NonNullable<BlocksHandler['unlock']>
  getLockState: NonNullable<BlocksHandler['getLockState']>
  getLockTag: NonNullable<BlocksHandler['getLockTag']>
  close(): Promise<void>
}

export interface RemoteSite {
  open(dev: DeviceInfo): Promise<RemoteDevice>
  check(config: string, options: unknown): Promise<true | string>
}

const statusOf = (answer: Request): Status => statusOfAnswer(answer.status, answer.sense) ?? Status.HW_ERR

/** Send it as a command of so many blocks, and take what comes back. */
async function transfer(device: RemoteDevice, encode: (lba: number, blocks: number) => Uint8Array, io: BlockIo, way: 'in' | 'out'): Promise<Status> {
  const bytes = encode(io.offset / device.blockSize, io.length / device.blockSize)
  const ask = { cdb: bytes, length: io.data.length, signal: io.signal, repeatable: bytes[0] !== op.COMPARE_AND_WRITE, ...(way === 'out' && { out: io.data }) }
  const status = await device.ask(ask, (answer) => {
    if (answer.status === sam.GOOD && way === 'in') copySegments(answer.data, io.data, io.data.length)
    return statusOf(answer)
  })
  return status ?? device.lost
}

const never = new AbortController().signal
const flags = (fua: boolean): number => (fua ? 1 : 0)

async function unmap(device: RemoteDevice, { offset, length, signal }: BlockRange): Promise<Status> {
  const end = offset + length
  const step = device.maxUnmapBlocks * device.blockSize
  for (let at = offset; at < end; at += step) {
    const list = new Uint8Array(UnmapHeader.size + UnmapDescriptor.size)
    UnmapHeader.encode({ dataLength: list.length - u16be.size, descriptorsLength: UnmapDescriptor.size }, list)
    UnmapDescriptor.encode({ lba: at / device.blockSize, blocks: Math.min(step, end - at) / device.blockSize }, list, UnmapHeader.size)
    const bytes = cdb.Unmap.encode({ op: op.UNMAP, listLength: list.length })
    const status = await device.ask({ cdb: bytes, length: list.length, out: Segments.of(list), signal, repeatable: true }, statusOf)
    if (status !== Status.OK) return status ?? device.lost
  }
  return Status.OK
}

/** Callbacks by name; a stand-in has those that the handler has. */
const callbacks = {
  read: (d: RemoteDevice, io: BlockIo) => transfer(d, (lba, blocks) => cdb.Rw16.encode({ op: op.READ_16, lba, blocks }), io, 'in'),
  write: (d: RemoteDevice, io: BlockIo) => transfer(d, (lba, blocks) => cdb.Rw16.encode({ op: op.WRITE_16, lba, blocks, fua: flags(io.fua) }), io, 'out'),
  flush: async (d: RemoteDevice) => (await d.ask({ cdb: cdb.Cache16.encode({ op: op.SYNCHRONIZE_CACHE_16 }), length: 0, signal: never, repeatable: true }, statusOf)) ?? d.lost,
  unmap,
  writeSame: (d: RemoteDevice, io: BlockIo) => transfer(d, (lba, blocks) => cdb.WriteSame16.encode({ op: op.WRITE_SAME_16, lba, blocks }), io, 'out'),
  compareAndWrite: (d: RemoteDevice, io: BlockIo) => transfer(d, (lba, blocks) => cdb.CompareAndWrite.encode({ op: op.COMPARE_AND_WRITE, lba, blocks }), io, 'out'),
  extents: (d: RemoteDevice, range: BlockRange) => d.extents(range),
  space: (d: RemoteDevice) => d.space(),
  lock: (d: RemoteDevice, tag: number | undefined) => d.lock(d, tag),
  unlock: (d: RemoteDevice) => d.unlock(d),
  getLockState: (d: RemoteDevice) => d.getLockState(d),
  getLockTag: (d: RemoteDevice) => d.getLockTag(d),
} as const satisfies Partial<BlocksHandler<RemoteDevice>>

/** Callbacks that commands of a stand-in end in, by operation code; any other is the handler's own. */
const callbackOf: ReadonlyMap<number, string> = new Map<number, keyof typeof callbacks>([
  [op.READ_16, 'read'], [op.WRITE_16, 'write'], [op.SYNCHRONIZE_CACHE_16, 'flush'], [op.UNMAP, 'unmap'], [op.WRITE_SAME_16, 'writeSame'], [op.COMPARE_AND_WRITE, 'compareAndWrite'],
])
/** Names of the callbacks that operation codes stand for, each once. */
export const callbacksOf = (codes: readonly number[]): string[] => [...new Set(codes.map((c) => callbackOf.get(c) ?? 'handleCmd'))]

/** The whole command, as it came. */
async function handleCmd(device: RemoteDevice, task: Task): Promise<Status> {
  const out = task.direction === Direction.IN || task.direction === Direction.NONE ? undefined : task.data
  const status = await device.ask({ cdb: task.cdb.slice(0, task.cdbLength), length: task.data.length, signal: task.signal, repeatable: false, ...(out && { out }) }, (answer) => {
    if (task.direction !== Direction.OUT && answer.status === sam.GOOD) {
      copySegments(answer.data, task.data, answer.dataInLength)
      task.dataInLength = task.transferLength = answer.dataInLength
    } else task.transferLength = task.expected
    if (answer.status !== sam.CHECK_CONDITION) return statusOf(answer)
    task.setSense(answer.sense)
    return Status.PASSTHROUGH_ERR
  })
  return status ?? device.lost
}

/**
 * A handler whose code runs elsewhere. One that moves blocks has the host's SCSI layer in front of it here; one that looks
 * at commands gets all of them as they are, and answers with the layer of its own process.
 */
export function remoteHandler(facts: HandlerFacts, site: RemoteSite): Handler {
  const { subtype, summary, members } = facts
  const has = (name: string): boolean => members.includes(name)
  // Commands of the portal pass the host's SCSI layer in its own process, where nobody knows of port groups: it would write without its lock.
  const refused = has('handleCmd') && has('lock')
    ? tcmuError('E_HANDLER_SHAPE', { handler: subtype, reason: `it has both handleCmd and lock, which go together in the host's own process and under LIO only; give --placement ${subtype}=inline`, member: 'lock' }) : undefined
  const common = {
    subtype, summary,
    open: async (dev: DeviceInfo) => {
      if (refused) throw refused
      return site.open(dev)
    },
    close: (device: RemoteDevice) => device.close(),
    ...(has('checkConfig') && { checkConfig: (config: string, options: unknown) => site.check(config, options) }),
    ...(has('reconfigure') && { reconfigure: (device: RemoteDevice, change: Parameters<NonNullable<Handler['reconfigure']>>[1]) => device.reconfigure(device, change) }),
  }
  if (has('handleCmd') || has('commands')) return { ...common, handleCmd, deviceType: facts.deviceType } as CommandsHandler<RemoteDevice>
  if (!has('read') || !has('write')) throw tcmuError('E_HANDLER_SHAPE', { handler: subtype, reason: 'its process says that it has neither read and write nor handleCmd', member: 'read' })
  return { ...common, ...Object.fromEntries(Object.entries(callbacks).filter(([name]) => has(name))), fua: facts.fua } as BlocksHandler<RemoteDevice>
}

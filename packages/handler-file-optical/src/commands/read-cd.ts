import { andThen, eachChunk, invalidField, PartIo, readExtent, type Result, Status, type Task, withChunks } from '@tcmu/host/scsi'
import { ReadCd, ReadCdMsf } from '../cdb'
import { BLOCK } from '../medium'
import { CD_ROM } from '../profiles'
import { mmc, type MmcRow } from '../row'
import { completeSector, Sector } from '../sector'
import { illegal, mmcSense } from '../sense'
import type { Unit } from '../unit'
import { lbaOf } from './msf'

interface Selection { sync: number; subheader: number; header: number; userData: number; edc: number; c2: number; subchannel: number }

/** Parts of a sector of mode 1, in order. There is no subheader. */
const parts = [
  ['sync', Sector.at.sync, Sector.at.header], ['header', Sector.at.header, Sector.at.userData], ['userData', Sector.at.userData, Sector.at.edc],
  ['edc', Sector.at.edc, Sector.size],
] as const
const USER_DATA = { from: Sector.at.userData, to: Sector.at.edc }

/** The stretch of a sector that is wanted; undefined when it would have a gap (MMC-6 table 354). */
function stretch(c: Selection): { from: number; to: number } | undefined {
  const wanted = parts.filter(([name]) => c[name])
  if (wanted.length === 0) return { from: 0, to: 0 }
  const from = wanted[0][1]
  const to = wanted.at(-1)![2]
  const bytes = wanted.reduce((n, [, start, end]) => n + end - start, 0)
  return bytes === to - from ? { from, to } : undefined
}
const sectorBytes = (c: Selection): number => {
  const { from, to } = stretch(c) ?? USER_DATA
  return to - from
}

/** EXPECTED SECTOR TYPE of the CDB: any, or mode 1. */
const TYPES: readonly number[] = [0, 2]

function refuse(unit: Unit, task: Task, c: Selection & { sectorType: number }): Status | undefined {
  if (unit.medium!.profile !== CD_ROM) return illegal(unit, task, mmcSense.CANNOT_READ_MEDIUM_INCOMPATIBLE_FORMAT)
  if (!TYPES.includes(c.sectorType)) return illegal(unit, task, mmcSense.ILLEGAL_MODE_FOR_THIS_TRACK)
  // No C2 pointers, no sub-channels: the CD Read feature claims neither.
  if (c.c2) return invalidField(task, 'c2', 2)
  if (c.subchannel) return invalidField(task, 'subchannel', 2)
  return stretch(c) ? undefined : invalidField(task, 'sync', 7)
}

/** What is around the user data is made up as a pressing machine would have. */
function readSectors(unit: Unit, task: Task, from: number, to: number): Result {
  const size = to - from
  const sector = new Uint8Array(Sector.size)
  task.transferLength = task.blocks * size
  task.dataInLength = Math.min(task.transferLength, task.data.length)
  const make = (bytes: Uint8Array, at: number): Status => {
    for (let i = 0; i < bytes.length; i += BLOCK) {
      const block = (at + i) / BLOCK
      sector.set(bytes.subarray(i, i + BLOCK), Sector.at.userData)
      completeSector(sector, task.lba + block)
      task.data.set(sector.subarray(from, to), block * size)
    }
    return Status.OK
  }
  return withChunks(unit, task, task.length, (buffer) => eachChunk(unit, task, task.length, (at, n) =>
    andThen(unit.ops.read(new PartIo(task, buffer.segments(n), task.offset + at)), () => make(buffer.bytes.subarray(0, n), at))))
}

function runReadCd(unit: Unit, task: Task, c: Selection & { sectorType: number }): Result {
  const refused = refuse(unit, task, c)
  if (refused !== undefined) return refused
  const { from, to } = stretch(c)!
  if (from === to || task.length === 0) return Status.OK
  return from === USER_DATA.from && to === USER_DATA.to ? readExtent(unit, task) : readSectors(unit, task, from, to)
}

type Times = { startM: number; startS: number; startF: number; endM: number; endS: number; endF: number }
const start = (c: Times): number => lbaOf({ m: c.startM, s: c.startS, f: c.startF })
const blocks = (c: Times): number => lbaOf({ m: c.endM, s: c.endS, f: c.endF }) - start(c)

const reading = { access: 'read', dataDirection: 'in', medium: true, run: runReadCd } as const
export const readCdCommands: readonly MmcRow[] = [
  mmc({
    op: 0xbe, name: 'READ CD', cdb: ReadCd, ...reading, extent: { lba: (c) => c.lba, blocks: (c) => c.blocks },
    transfer: (c) => c.blocks * sectorBytes(c),
  }),
  mmc({
    op: 0xb9, name: 'READ CD MSF', cdb: ReadCdMsf, ...reading, extent: { lba: start, blocks },
    transfer: (c) => (blocks(c) > 0 ? blocks(c) * sectorBytes(c) : 0),
  }),
]

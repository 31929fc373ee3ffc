import { bits, bytes, invalidField, layout, type Result, skip, type Task, u16be, u8 } from '@tcmu/host/scsi'
import { ReadHeader, ReadToc } from '../cdb'
import { CD_ROM } from '../profiles'
import { answering, mmc, type MmcRow } from '../row'
import type { Unit } from '../unit'
import { addressField, msfOf } from './msf'

/** MMC-6 6.26.3: header of all formats; first and last are tracks or sessions. */
export const TocHeader = layout('toc_header', { length: u16be, first: u8, last: u8 }, { size: 4 })
const adrControl = { adrControl: bits(u8, { adr: [7, 4], control: [3, 0] }) }
/** Formats 0000b and 0001b. */
export const TocTrack = layout('toc_track_descriptor', { reserved: skip(1), ...adrControl, track: u8, reserved2: skip(1), address: bytes(4) }, { size: 8 })
/** Format 0010b. */
export const RawToc = layout('raw_toc_descriptor', {
  session: u8, ...adrControl, tno: u8, point: u8, m: u8, s: u8, f: u8, zero: skip(1), pm: u8, ps: u8, pf: u8,
}, { size: 11 })

/** Q sub-channel mode 1, data track, uninterrupted. */
const DATA = { adr: 1, control: 4 } as const
const TRACK = 1
const SESSION = 1
const LEAD_OUT = 0xaa
const POINT_FIRST = 0xa0
const POINT_LAST = 0xa1
const POINT_LEAD_OUT = 0xa2

type Toc = { time: number; format: number; oldFormat: number; track: number; allocation: number }
type Format = (unit: Unit, task: Task, c: Toc) => Uint8Array | undefined

const withHeader = (first: number, last: number, descriptors: readonly Uint8Array[]): Uint8Array => {
  const body = Buffer.concat(descriptors)
  return Buffer.concat([TocHeader.encode({ length: TocHeader.size - 2 + body.length, first, last }), body])
}
const entry = (track: number, lba: number, c: Toc): Uint8Array => TocTrack.encode({ ...DATA, track, address: addressField(lba, c.time === 1) })

/** One track, from the first block to the last. */
const tracks: Format = ({ blocks }, _task, c) => {
  if (c.track > TRACK && c.track !== LEAD_OUT) return undefined
  return withHeader(TRACK, TRACK, [...(c.track === LEAD_OUT ? [] : [entry(TRACK, 0, c)]), entry(LEAD_OUT, blocks, c)])
}

const sessions: Format = (_unit, _task, c) => withHeader(SESSION, SESSION, [entry(TRACK, 0, c)])

const raw = (point: number, at: { pm?: number; ps?: number; pf?: number }): Uint8Array => RawToc.encode({ session: SESSION, ...DATA, point, ...at })
const time = (lba: number): { pm: number; ps: number; pf: number } => {
  const { m, s, f } = msfOf(lba)
  return { pm: m, ps: s, pf: f }
}
const fullToc: Format = ({ medium, blocks }, _task, c) => {
  if (medium?.profile !== CD_ROM || c.track > SESSION) return undefined
  return withHeader(SESSION, SESSION, [
    raw(POINT_FIRST, { pm: TRACK }), raw(POINT_LAST, { pm: TRACK }), raw(POINT_LEAD_OUT, time(blocks)), raw(TRACK, time(0)),
  ])
}

const cdText: Format = ({ medium }) => (medium?.profile === CD_ROM ? withHeader(0, 0, []) : undefined)

/** PMA and ATIP are of discs that can be written; there are none on others. */
const none: Format = () => undefined

/** By FORMAT of the CDB: TOC, session information, full TOC, PMA, ATIP, CD-TEXT. */
const formats: readonly Format[] = [tracks, sessions, fullToc, none, none, cdText]

function runReadToc(unit: Unit, task: Task, c: Toc): Result {
  const format = formats[c.format || c.oldFormat]
  if (!format || format === none) return invalidField(task, 'format', 3)
  const data = format(unit, task, c)
  if (data) return task.respond(data, c.allocation)
  return format === tracks ? invalidField(task, 'track') : invalidField(task, 'format', 3)
}

/** MMC-6 6.26 */
export const readToc = mmc({ op: 0x43, name: 'READ TOC/PMA/ATIP', cdb: ReadToc, ...answering, medium: true, run: runReadToc })

/** MMC-1 14.1.11 */
export const SectorHeader = layout('read_header_data', { mode: u8, reserved: skip(3), address: bytes(4) }, { size: 8 })
const MODE_1 = 1

/** Obsolete since MMC-2, and what wodim finds out the mode of a track with. */
export const readHeader = mmc({
  op: 0x44, name: 'READ HEADER', cdb: ReadHeader, ...answering, medium: true, extent: { lba: (c) => c.lba, blocks: () => 1 },
  run: (_unit, task, c) => task.respond(SectorHeader.encode({ mode: MODE_1, address: addressField(c.lba, c.time === 1) }), c.allocation),
})

export const tocCommands: readonly MmcRow[] = [readToc, readHeader]

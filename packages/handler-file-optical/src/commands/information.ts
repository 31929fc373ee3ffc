import { bits, bytes, invalidField, layout, type Result, skip, Status, type Task, u16be, u24be, u32be, u8 } from '@tcmu/host/scsi'
import { MechanismStatus, ReadDiscInformation, ReadTrackInformation } from '../cdb'
import { CD_ROM } from '../profiles'
import { answering, mmc, type MmcRow } from '../row'
import type { Unit } from '../unit'

/** MMC-6 6.22.3.1 */
export const DiscInformation = layout('disc_information', {
  length: u16be, state: bits(u8, { dataType: [7, 5], erasable: 4, lastSession: [3, 2], disc: [1, 0] }), firstTrack: u8, sessions: u8,
  firstTrackOfLast: u8, lastTrackOfLast: u8, flags: bits(u8, { didV: 7, dbcV: 6, uru: 5, dacV: 4, backgroundFormat: [1, 0] }), discType: u8,
  high: skip(3), identification: u32be, leadIn: u32be, leadOut: u32be, barCode: bytes(8), application: u8, powerTables: u8,
}, { size: 34 })
/** MMC-6 6.27.3 */
export const TrackInformation = layout('track_information', {
  length: u16be, track: u8, session: u8, reserved: skip(1), mode: bits(u8, { damage: 5, copy: 4, trackMode: [3, 0] }),
  data: bits(u8, { rt: 7, blank: 6, packet: 5, fp: 4, dataMode: [3, 0] }), valid: bits(u8, { lraV: 1, nwaV: 0 }), start: u32be, nextWritable: u32be,
  freeBlocks: u32be, blocking: u32be, size: u32be, lastRecorded: u32be, trackHigh: u8, sessionHigh: u8, reserved2: skip(2),
}, { size: 36 })
/** MMC-6 6.13.2 */
export const Mechanism = layout('mechanism_status_header', {
  slot: bits(u8, { fault: 7, changer: [6, 5], slot: [4, 0] }), state: bits(u8, { mechanism: [7, 5], doorOpen: 4, slotHigh: [2, 0] }), lba: u24be,
  slots: u8, tableLength: u16be,
}, { size: 8 })

const COMPLETE = { lastSession: 3, disc: 2 } as const
const UNKNOWN_ADDRESS = 0xffffffff
const DISC_TYPE_CD_ROM = 0x00
const DISC_TYPE_UNDEFINED = 0xff
const DATA_TRACK = 4
const DATA_MODE_1 = 1
const TRACK = 1

type Disc = { dataType: number; allocation: number }
/** A complete disc of one session and one track. Track resources and POW resources are of discs that can be written. */
function runDiscInformation({ medium }: Unit, task: Task, c: Disc): Result {
  if (c.dataType !== 0) return invalidField(task, 'dataType', 2)
  return task.respond(DiscInformation.encode({
    length: DiscInformation.size - 2, ...COMPLETE, firstTrack: TRACK, sessions: 1, firstTrackOfLast: TRACK, lastTrackOfLast: TRACK, uru: 1,
    discType: medium!.profile === CD_ROM ? DISC_TYPE_CD_ROM : DISC_TYPE_UNDEFINED, leadIn: UNKNOWN_ADDRESS, leadOut: UNKNOWN_ADDRESS,
  }), c.allocation)
}

/** ADDRESS/NUMBER TYPE of the CDB: a block, a track, a session; whether the one track is meant. */
const addressed: readonly ((unit: Unit, address: number) => boolean)[] = [
  ({ blocks }, lba) => lba < blocks,
  (_unit, track) => track === TRACK,
  (_unit, session) => session === 1,
]
const BY_BLOCK = 0

type Track = { open: number; addressType: number; address: number; allocation: number }
function runTrackInformation(unit: Unit, task: Task, c: Track): Result {
  const isTrack = addressed[c.addressType]
  if (!isTrack) return invalidField(task, 'addressType', 1)
  if (!isTrack(unit, c.address)) return c.addressType === BY_BLOCK ? Status.RANGE : invalidField(task, 'address')
  return task.respond(TrackInformation.encode({
    length: TrackInformation.size - 2, track: TRACK, session: 1, trackMode: DATA_TRACK, dataMode: DATA_MODE_1, lraV: 1, size: unit.blocks,
    lastRecorded: unit.blocks - 1,
  }), c.allocation)
}

/** MMC-6 6.13: answered without a disc too. */
const runMechanismStatus = ({ drive }: Unit, task: Task, c: { allocation: number }): Result =>
  task.respond(Mechanism.encode({ doorOpen: drive.state === 'open' }), c.allocation)

export const informationCommands: readonly MmcRow[] = [
  mmc({ op: 0x51, name: 'READ DISC INFORMATION', cdb: ReadDiscInformation, ...answering, medium: true, run: runDiscInformation }),
  mmc({ op: 0x52, name: 'READ TRACK INFORMATION', cdb: ReadTrackInformation, ...answering, medium: true, run: runTrackInformation }),
  mmc({ op: 0xbd, name: 'MECHANISM STATUS', cdb: MechanismStatus, ...answering, run: runMechanismStatus }),
]

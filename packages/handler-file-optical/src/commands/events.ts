import { bits, invalidField, layout, skip, type Task, u16be, u8 } from '@tcmu/host/scsi'
import { GetEventStatus } from '../cdb'
import { operationalEvent } from '../events'
import { answering, mmc, type MmcRow } from '../row'
import type { Unit } from '../unit'

/** MMC-6 6.5.2 */
export const EventHeader = layout('event_header', {
  length: u16be, first: bits(u8, { nea: 7, notificationClass: [2, 0] }), supported: u8,
}, { size: 4 })
/** MMC-6 tables 312, 318, 320 and 328: all events have four bytes. */
const Operational = layout('operational_change', { event: u8, status: u8, change: u16be }, { size: 4 })
const Power = layout('power_management', { event: u8, status: u8, reserved: skip(2) }, { size: 4 })
export const Media = layout('media', { event: u8, status: bits(u8, { mediaPresent: 1, doorOpen: 0 }), startSlot: u8, endSlot: u8 }, { size: 4 })
const Busy = layout('device_busy', { event: u8, status: u8, time: u16be }, { size: 4 })

interface EventClass {
  readonly code: number
  readonly name: string
  /** Whether an initiator has something to hear of; left out: never. */
  readonly waits?: (unit: Unit, task: Task) => boolean
  /** The event, or that there is none, and how things are. */
  readonly event: (unit: Unit, task: Task) => Uint8Array
}

/** Power state 1: active. */
const ACTIVE = 1
const CHANGED = 1

/** By priority, which is the order of their numbers. */
export const eventClasses: readonly EventClass[] = [
  {
    code: 1, name: 'operational change', waits: ({ drive }, { nexus }) => drive.operational.waits(nexus),
    event: ({ drive }, { nexus }) => {
      const event = drive.operational.take(nexus)
      return Operational.encode({ event, change: event === operationalEvent.NONE ? 0 : CHANGED })
    },
  },
  { code: 2, name: 'power management', event: () => Power.encode({ status: ACTIVE }) },
  {
    code: 4, name: 'media', waits: ({ drive }, { nexus }) => drive.media.waits(nexus),
    event: ({ drive, medium }, { nexus }) =>
      Media.encode({ event: drive.media.take(nexus), mediaPresent: medium !== undefined, doorOpen: drive.state === 'open' }),
  },
  { code: 6, name: 'device busy', event: () => Busy.encode({}) },
]

const bit = (c: EventClass): number => 2 ** c.code
const SUPPORTED = eventClasses.reduce((mask, c) => mask | bit(c), 0)

/** The class that is answered for: the first that has something to tell, else the first asked for. */
function chosen(unit: Unit, task: Task, classes: number): EventClass | undefined {
  const asked = eventClasses.filter((c) => classes & bit(c))
  return asked.find((c) => c.waits?.(unit, task)) ?? asked[0]
}

/** MMC-6 6.5. Events are asked for; the drive does not hold a command back until there is one. */
export const getEventStatus = mmc({
  op: 0x4a, name: 'GET EVENT STATUS NOTIFICATION', cdb: GetEventStatus, ...answering, allowed: { attention: true, reserved: true },
  run: (unit, task, c) => {
    if (!c.polled) return invalidField(task, 'polled', 0)
    const found = chosen(unit, task, c.classes)
    const header = (length: number): Uint8Array =>
      EventHeader.encode({ length, nea: !found, notificationClass: found?.code ?? 0, supported: SUPPORTED })
    // An event that does not fit stays (MMC-6 6.5.1.4).
    if (!found || c.allocation <= EventHeader.size) return task.respond(header(found ? EventHeader.size + 2 : 2), c.allocation)
    const event = found.event(unit, task)
    return task.respond(Buffer.concat([header(event.length + 2), event]), c.allocation)
  },
})

export const eventCommands: readonly MmcRow[] = [getEventStatus]

import { expectAttention, expectCheck, expectGood, initiatorOf, type ScsiAnswer } from '@tcmu/host/testing'
import { type SenseCode, sense, senseKey } from '@tcmu/host/scsi'
import { mmcCommands } from './commands'
import { mmcSense } from './sense'
import { DriveBench, image, nexus } from './testing/bench'

/**
 * Conditions in which a command may find the drive. `prevented`: another initiator prevents the removal; `changed`: another
 * disc is in, and this initiator has not heard of it.
 */
const conditions = ['empty', 'open', 'loading', 'present', 'prevented', 'changed'] as const
type Condition = (typeof conditions)[number]
type Outcome = 'good' | readonly [key: number, code: SenseCode]

const notReady = (code: SenseCode): Outcome => [senseKey.NOT_READY, code]
const CLOSED = notReady(mmcSense.MEDIUM_NOT_PRESENT_TRAY_CLOSED)
const OPEN = notReady(mmcSense.MEDIUM_NOT_PRESENT_TRAY_OPEN)
const LOADING = notReady(mmcSense.BECOMING_READY)
const ATTENTION: Outcome = [senseKey.UNIT_ATTENTION, sense.NOT_READY_TO_READY_CHANGE_MEDIUM_MAY_HAVE_CHANGED]
const INCOMPATIBLE: Outcome = [senseKey.ILLEGAL_REQUEST, sense.CANNOT_WRITE_MEDIUM_INCOMPATIBLE_FORMAT]
const NO_DVD: Outcome = [senseKey.ILLEGAL_REQUEST, mmcSense.CANNOT_READ_MEDIUM_INCOMPATIBLE_FORMAT]
const PREVENTED: Outcome = [senseKey.ILLEGAL_REQUEST, mmcSense.MEDIUM_REMOVAL_PREVENTED]

const row = (...outcomes: readonly Outcome[]): Record<Condition, Outcome> =>
  Object.fromEntries(conditions.map((c, i) => [c, outcomes[i]])) as Record<Condition, Outcome>
/** In the order of `conditions`. */
const always = row('good', 'good', 'good', 'good', 'good', 'good')
const anyMedium = row('good', 'good', 'good', 'good', 'good', ATTENTION)
const needsMedium = row(CLOSED, OPEN, LOADING, 'good', 'good', ATTENTION)
const withMedium = (outcome: Outcome): Record<Condition, Outcome> => row(CLOSED, OPEN, LOADING, outcome, outcome, ATTENTION)

interface Case {
  readonly name: string
  readonly cdb: readonly number[]
  readonly dataIn?: number
  readonly dataOut?: Uint8Array
  readonly outcome: Record<Condition, Outcome>
  /** Instead of the row's name, when a command has several cases. */
  readonly of?: string
}

const streaming = new Uint8Array(28)
streaming[11] = 9
const cases: readonly Case[] = [
  { name: 'TEST UNIT READY', cdb: [0, 0, 0, 0, 0, 0], outcome: needsMedium },
  { name: 'REQUEST SENSE', cdb: [3, 0, 0, 0, 18, 0], dataIn: 18, outcome: always },
  { name: 'INQUIRY', cdb: [0x12, 0, 0, 0, 96, 0], dataIn: 96, outcome: always },
  { name: 'READ(6)', cdb: [8, 0, 0, 1, 1, 0], dataIn: 2048, outcome: needsMedium },
  { name: 'READ(10)', cdb: [0x28, 0, 0, 0, 0, 1, 0, 0, 1, 0], dataIn: 2048, outcome: needsMedium },
  { name: 'READ(12)', cdb: [0xa8, 0, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0], dataIn: 2048, outcome: needsMedium },
  { name: 'VERIFY(10)', cdb: [0x2f, 0, 0, 0, 0, 1, 0, 0, 1, 0], outcome: needsMedium },
  { name: 'READ CAPACITY(10)', cdb: [0x25, 0, 0, 0, 0, 0, 0, 0, 0, 0], dataIn: 8, outcome: needsMedium },
  { name: 'READ FORMAT CAPACITIES', cdb: [0x23, 0, 0, 0, 0, 0, 0, 0, 12, 0], dataIn: 12, outcome: anyMedium },
  { name: 'SYNCHRONIZE CACHE(10)', cdb: [0x35, 0, 0, 0, 0, 0, 0, 0, 0, 0], outcome: needsMedium },
  { name: 'stop', of: 'START STOP UNIT', cdb: [0x1b, 0, 0, 0, 0, 0], outcome: anyMedium },
  { name: 'start', of: 'START STOP UNIT', cdb: [0x1b, 0, 0, 0, 1, 0], outcome: anyMedium },
  { name: 'eject', of: 'START STOP UNIT', cdb: [0x1b, 0, 0, 0, 2, 0], outcome: row('good', 'good', 'good', 'good', PREVENTED, ATTENTION) },
  { name: 'load', of: 'START STOP UNIT', cdb: [0x1b, 0, 0, 0, 3, 0], outcome: anyMedium },
  { name: 'prevent', of: 'PREVENT ALLOW MEDIUM REMOVAL', cdb: [0x1e, 0, 0, 0, 1, 0], outcome: row('good', OPEN, 'good', 'good', 'good', ATTENTION) },
  { name: 'allow', of: 'PREVENT ALLOW MEDIUM REMOVAL', cdb: [0x1e, 0, 0, 0, 0, 0], outcome: anyMedium },
  { name: 'GET CONFIGURATION', cdb: [0x46, 0, 0, 0, 0, 0, 0, 1, 0, 0], dataIn: 256, outcome: always },
  { name: 'GET EVENT STATUS NOTIFICATION', cdb: [0x4a, 1, 0, 0, 0x10, 0, 0, 0, 8, 0], dataIn: 8, outcome: always },
  { name: 'READ TOC/PMA/ATIP', cdb: [0x43, 0, 0, 0, 0, 0, 0, 0, 20, 0], dataIn: 20, outcome: needsMedium },
  { name: 'READ HEADER', cdb: [0x44, 0, 0, 0, 0, 1, 0, 0, 8, 0], dataIn: 8, outcome: needsMedium },
  { name: 'READ DISC INFORMATION', cdb: [0x51, 0, 0, 0, 0, 0, 0, 0, 34, 0], dataIn: 34, outcome: needsMedium },
  { name: 'READ TRACK INFORMATION', cdb: [0x52, 1, 0, 0, 0, 1, 0, 0, 36, 0], dataIn: 36, outcome: needsMedium },
  { name: 'MECHANISM STATUS', cdb: [0xbd, 0, 0, 0, 0, 0, 0, 0, 0, 8, 0, 0], dataIn: 8, outcome: anyMedium },
  { name: 'READ DISC STRUCTURE', cdb: [0xad, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0], dataIn: 256, outcome: withMedium(NO_DVD) },
  { name: 'GET PERFORMANCE', cdb: [0xac, 0x10, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0], dataIn: 24, outcome: needsMedium },
  { name: 'SET STREAMING', cdb: [0xb6, 0, 0, 0, 0, 0, 0, 0, 0, 0, 28, 0], dataOut: streaming, outcome: needsMedium },
  { name: 'SET CD SPEED', cdb: [0xbb, 0, 0xff, 0xff, 0, 0, 0, 0, 0, 0, 0, 0], outcome: needsMedium },
  { name: 'MODE SENSE(6)', cdb: [0x1a, 0, 0x3f, 0, 255, 0], dataIn: 255, outcome: anyMedium },
  { name: 'MODE SENSE(10)', cdb: [0x5a, 0, 0x3f, 0, 0, 0, 0, 1, 0, 0], dataIn: 256, outcome: anyMedium },
  { name: 'MODE SELECT(6)', cdb: [0x15, 0x10, 0, 0, 4, 0], dataOut: new Uint8Array(4), outcome: anyMedium },
  { name: 'MODE SELECT(10)', cdb: [0x55, 0x10, 0, 0, 0, 0, 0, 0, 8, 0], dataOut: new Uint8Array(8), outcome: anyMedium },
  { name: 'READ CD', cdb: [0xbe, 0, 0, 0, 0, 1, 0, 0, 1, 0x10, 0, 0], dataIn: 2048, outcome: needsMedium },
  { name: 'READ CD MSF', cdb: [0xb9, 0, 0, 0, 2, 1, 0, 2, 2, 0x10, 0, 0], dataIn: 2048, outcome: needsMedium },
  { name: 'FORMAT UNIT', cdb: [4, 0, 0, 0, 0, 0], outcome: withMedium(INCOMPATIBLE) },
  { name: 'WRITE(6)', cdb: [0xa, 0, 0, 0, 1, 0], dataOut: new Uint8Array(2048), outcome: withMedium(INCOMPATIBLE) },
  { name: 'WRITE(10)', cdb: [0x2a, 0, 0, 0, 0, 0, 0, 0, 1, 0], dataOut: new Uint8Array(2048), outcome: withMedium(INCOMPATIBLE) },
  { name: 'WRITE(12)', cdb: [0xaa, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0], dataOut: new Uint8Array(2048), outcome: withMedium(INCOMPATIBLE) },
  { name: 'WRITE AND VERIFY(10)', cdb: [0x2e, 0, 0, 0, 0, 0, 0, 0, 1, 0], dataOut: new Uint8Array(2048), outcome: withMedium(INCOMPATIBLE) },
]

const EJECT = [0x1b, 0, 0, 0, 2, 0]
const LOAD_NOW = [0x1b, 1, 0, 0, 3, 0]

/** Bring a drive into a condition; what is returned lets go of it. */
const arrange: Readonly<Record<Condition, (b: DriveBench) => Promise<(() => void) | undefined>>> = {
  empty: async (b) => void (await b.open('/missing.iso')),
  open: async (b) => {
    await b.open('/a.iso')
    expectGood(await b.command(EJECT))
    return undefined
  },
  loading: async (b) => {
    await b.open('/a.iso')
    expectGood(await b.command(EJECT))
    let release: () => void = () => undefined
    b.shelf.gate = new Promise((resolve) => (release = resolve))
    expectGood(await b.command(LOAD_NOW))
    await Promise.resolve()
    return release
  },
  present: async (b) => void (await b.open('/a.iso')),
  prevented: async (b) => {
    await b.open('/a.iso')
    expectGood(await initiatorOf(b.device, { nexus: nexus('other') }).send(Uint8Array.of(0x1e, 0, 0, 0, 1, 0), {}))
    return undefined
  },
  changed: async (b) => {
    await b.open('/a.iso')
    await b.device.reconfigure({ kind: 'config', config: '/b.iso' })
    return undefined
  },
}

function expectOutcome(answer: ScsiAnswer, outcome: Outcome): void {
  if (outcome === 'good') expectGood(answer)
  else expectCheck(answer, outcome[0] as never, outcome[1])
}

test('every command of the drive has cases', () => {
  expect(new Set(cases.map((c) => c.of ?? c.name))).toEqual(new Set(mmcCommands.map((r) => r.name)))
})

describe.each(conditions)('%s', (condition) => {
  test.each(cases.map((c) => [c.of ? `${c.of} (${c.name})` : c.name, c] as const))('%s', async (_, c) => {
    const b = new DriveBench()
    b.shelf.images.set('/a.iso', image(100))
    b.shelf.images.set('/b.iso', image(200, 2))
    const release = await arrange[condition](b)
    const answering = b.command(c.cdb, c.dataIn, c.dataOut)
    // What moves the tray waits for the movement under way.
    if (condition === 'loading' && c.of === 'START STOP UNIT') release?.()
    expectOutcome(await answering, c.outcome[condition])
    if (condition === 'changed' && c.outcome.changed === ATTENTION) expectOutcome(await b.command(c.cdb, c.dataIn, c.dataOut), c.outcome.present)
    release?.()
    await b.close()
    expect(b.shelf.opened).toEqual([])
  })
})

test('an attention is told once to each initiator', async () => {
  const b = new DriveBench()
  b.shelf.images.set('/a.iso', image(100))
  await b.open('/a.iso')
  const other = await b.another('other')
  await b.device.reconfigure({ kind: 'config', config: '/a.iso' })
  for (const initiator of [b.initiator, other]) {
    expectAttention(await initiator.testUnitReady(), sense.NOT_READY_TO_READY_CHANGE_MEDIUM_MAY_HAVE_CHANGED)
    expectGood(await initiator.testUnitReady())
  }
})

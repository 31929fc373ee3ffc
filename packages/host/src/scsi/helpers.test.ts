import fc from 'fast-check'
import type { CommandsHandler } from '../handler'
import { initiatorOf, ramHandler, testDevice } from '../testing'
import { cdb } from '../testing/cdb'
import { InitiatorTask } from '../testing/initiator'
import { abilitiesOfMedium } from '../device/ops'
import {
  ask, blockCommands, capacity10Data, CommandTable, emulate, Forwarder, type LogicalUnit, type Lun, parseCdb, passOn, sam, Segments, standardInquiryData, Status, Task,
} from '.'

/** SCSI helpers one by one: without a host, and without a device of ours. */
class PlainTask extends Task {
  readonly nexus = { name: 'test' }
  finish(): void {
    throw new Error('nobody finishes this')
  }
  static of(bytes: Uint8Array, room = 512): PlainTask {
    const task = new PlainTask()
    task.cdb.set(bytes)
    task.cdbLength = bytes.length
    task.expected = room
    task.data = Segments.allocate(room)
    return task
  }
}

const memory = Buffer.alloc(8 * 512, 3)
const ops = { read: (io: { data: Segments; offset: number; length: number }) => (io.data.set(memory.subarray(io.offset, io.offset + io.length)), Status.OK), write: () => Status.OK }
const lun = {
  name: 'own', deviceType: 0, blockSize: 512, blocks: 8, physicalExponent: 0, readOnly: true, writeCache: false, rotationRate: 0, unmappedReadsZero: false,
  identity: { vendor: 'ME', product: 'MINE', revision: '1', serial: '1' }, limits: { maxTransfer: 8 }, abilities: abilitiesOfMedium(ops), modes: { swp: false, dSense: false }, ops,
  commands: new CommandTable(blockCommands), stopped: false,
} as unknown as Lun

describe('emulate, for a unit of one\'s own', () => {
  test.each([
    ['READ', cdb.read10({ lba: 2, blocks: 1 }), Status.OK], ['READ beyond the end', cdb.read10({ lba: 8, blocks: 1 }), Status.RANGE], ['WRITE to a read-only unit', cdb.write10({ lba: 0, blocks: 1 }), Status.WRITE_PROTECTED],
    ['INQUIRY', cdb.inquiry({ allocation: 96 }), Status.OK], ['READ CAPACITY', cdb.readCapacity10(), Status.OK], ['an unknown code', Uint8Array.of(0xc1, 0, 0, 0, 0, 0), Status.INVALID_CMD],
    ['an unknown service action', Uint8Array.of(0x9e, 0x1f, ...new Uint8Array(14)), Status.INVALID_CDB], ['half a CDB', cdb.read16({ blocks: 1 }).subarray(0, 7), Status.INVALID_CDB],
  ])('%s', async (_, bytes, expected) => {
    const task = PlainTask.of(bytes)
    expect(await emulate(lun, task)).toBe(expected)
    if (bytes[0] === 0x28 && expected === Status.OK) expect([task.dataInLength, task.data.toBuffer()[0]]).toEqual([512, 3])
  })
})

describe('parseCdb', () => {
  test('knows every row of a disk', () => {
    for (const row of blockCommands) {
      const bytes = new Uint8Array(row.cdb.size)
      bytes[0] = row.op
      if (row.sa !== undefined) bytes[1] = row.sa
      expect(parseCdb(bytes)).toMatchObject({ name: row.name, access: row.access, row })
    }
  })
  test('of any bytes says something or nothing, and never throws', () => {
    fc.assert(fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => {
      const parsed = parseCdb(bytes)
      return parsed === undefined || (parsed.row.op === bytes[0] && bytes.length >= parsed.row.cdb.size)
    }), { numRuns: 2000 })
  })
})

test('data of INQUIRY and READ CAPACITY is what a device answers', async () => {
  const device = await testDevice(ramHandler)
  const it = initiatorOf(device)
  expect((await it.inquiry({ allocation: 96 })).data).toEqual(Buffer.from(standardInquiryData({ ...device.identity, thirdPartyCopy: true, vendor: 'LIO-ORG', product: 'TCMU device', revision: '0002' })))
  expect((await it.readCapacity10()).data).toEqual(Buffer.from(capacity10Data(device)))
  expect(Buffer.from(capacity10Data({ blocks: 2 ** 40, blockSize: 512 })).readUInt32BE(0)).toBe(0xffffffff)
  await device.close(100)
})

describe('ask', () => {
  let device: LogicalUnit & { close(ms: number): Promise<void> }
  beforeEach(async () => void (device = await testDevice(ramHandler)))
  afterEach(() => device.close(100))

  test('sends a command and says what became of it', async () => {
    expect(await ask(device, cdb.write10({ lba: 1, blocks: 1 }), { out: Buffer.alloc(512, 4) })).toMatchObject({ status: 0, residual: 0 })
    expect(await ask(device, cdb.read10({ lba: 1, blocks: 1 }), { in: 600 })).toMatchObject({ status: 0, residual: 88, data: Buffer.alloc(512, 4) })
    expect(await ask(device, cdb.read10({ lba: 1 << 20, blocks: 1 }), { in: 512 })).toMatchObject({ status: sam.CHECK_CONDITION, data: Buffer.alloc(0), residual: 512 })
  })

  test('a nexus that has joined hears its attentions', async () => {
    const nexus = { name: 'n' }
    device.join(nexus)
    device.attend(nexus, Status.MODE_CHANGED)
    expect((await ask(device, cdb.testUnitReady(), { nexus })).status).toBe(sam.CHECK_CONDITION)
    expect((await ask(device, cdb.testUnitReady(), { nexus })).status).toBe(sam.GOOD)
  })
})

describe('a forwarder', () => {
  const slow = (): { device: Promise<LogicalUnit & { close(ms: number): Promise<void> }>; release: () => void } => {
    let release = (): void => undefined
    const gate = new Promise<void>((resolve) => (release = resolve))
    return { device: testDevice({ ...ramHandler, read: (m: Uint8Array, io) => gate.then(() => ramHandler.read(m, io)) }), release }
  }

  test('an abort goes along, and the answer waits for it', async () => {
    const { device, release } = slow()
    const unit = await device
    const forwarder = new Forwarder(unit)
    const task = new InitiatorTask({ name: 'n' }, cdb.read10({ lba: 0, blocks: 1 }), () => undefined)
    task.expected = 512
    task.data = Segments.allocate(512)
    const answer = forwarder.forward(task)
    task.abort()
    release()
    expect(await answer).toBe(Status.ABORTED)
    forwarder.close()
    await unit.close(100)
  })

  test.each([[sam.GOOD, Status.OK], [sam.BUSY, Status.BUSY], [sam.TASK_SET_FULL, Status.NO_RESOURCE], [sam.RESERVATION_CONFLICT, Status.RESERVATION_CONFLICT], [sam.CONDITION_MET, Status.CONDITION_MET], [sam.TASK_ABORTED, Status.ABORTED], [sam.ACA_ACTIVE, Status.HW_ERR], [99, Status.HW_ERR]])('SAM status %d is passed on as %d', (status, expected) => {
    expect(passOn(PlainTask.of(cdb.testUnitReady()), { status, sense: new Uint8Array(0) })).toBe(expected)
  })
})

test('a device puts what is left to it in its turn', async () => {
  let seen: Status | undefined
  const own: CommandsHandler<number> = {
    subtype: 'own', commands: blockCommands, medium: () => ops, open: () => 0, handleCmd: async (_, task, l) => (seen = await emulate(l, task)),
  }
  const device = await testDevice(own)
  expect((await initiatorOf(device).read({ lba: 0, blocks: 1 })).data[0]).toBe(3)
  expect(seen).toBe(Status.OK)
  await device.close(100)
})

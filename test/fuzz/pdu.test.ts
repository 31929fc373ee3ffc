import fc from 'fast-check'
import { createPortal, type Portal } from '../../packages/iscsi/src'
import { AdditionalHeader, BasicHeader, BHS, DataOut, LoginRequest, LogoutRequest, NopOut, Opcode, ScsiCommand, TaskManagement, TextRequest } from '../../packages/iscsi/src/pdu'
import { Initiator, keys } from '../../packages/iscsi/src/testing/initiator'
import { wirePdu } from '../../packages/iscsi/src/testing/wire'
import { LogLines, ramHandler, testDevice } from '../../packages/host/src/testing'

/**
 * A portal against peers that send what they like. Whatever comes, a session that behaves is served, memory for
 * commands is given back, and nothing but protocol errors is logged.
 */
const RUNS = Number(process.env.FUZZ_RUNS ?? 1000)
jest.setTimeout(600_000 + RUNS * 100)

let portal: Portal
let port: number
let good: Initiator
const log = new LogLines()

beforeAll(async () => {
  const luns = new Map(await Promise.all([0, 1].map(async (n) => [n, await testDevice(ramHandler, { log })] as const)))
  portal = createPortal({ address: '127.0.0.1', port: 0, targetName: keys.TargetName, luns, log })
  port = (await portal.listen()).port
  good = await Initiator.login(port, { InitiatorName: 'iqn.x:good' }).then((i) => i.settle())
})
afterAll(async () => {
  good.close()
  await portal.close(0)
  const { host } = portal as unknown as { host: { buffers: { inUse: number } } }
  expect(host.buffers.inUse).toBe(0)
  expect(log.lines.filter((l) => l.startsWith('error'))).toEqual([])
})

const blockOf = (n: number): Buffer => Buffer.alloc(512, n)
let stamp = 0
async function goodIsServed(): Promise<void> {
  const data = blockOf(++stamp)
  const wrote = await good.command({ cdb: Uint8Array.from([0x2a, 0, 0, 0, 0, stamp & 0xff, 0, 0, 1, 0]), out: data, immediate: 512 })
  const read = await good.command({ cdb: Uint8Array.from([0x28, 0, 0, 0, 0, stamp & 0xff, 0, 0, 1, 0]), in: 512 })
  expect([wrote.status, read.status, read.data.equals(data)]).toEqual([0, 0, true])
}

const byte = fc.nat(255)
const u32 = fc.oneof(fc.nat(8), fc.constantFrom(0xffffffff, 0x7fffffff, 0x80000000), fc.nat(0xffffffff))
const data = fc.oneof({ weight: 3, arbitrary: fc.constant(new Uint8Array(0)) }, fc.uint8Array({ maxLength: 600 }), fc.constant(new Uint8Array(4096)))
const lun = fc.constantFrom(0x00010000, 0x00010000, 0x00020000, 0x40010000, 0xc1010000, 0xffffffff)
const bit = fc.nat(1)
const cdb = fc.oneof(
  fc.uint8Array({ minLength: 16, maxLength: 16 }),
  fc.tuple(fc.constantFrom(0x00, 0x08, 0x0a, 0x12, 0x1a, 0x28, 0x2a, 0x35, 0x41, 0x42, 0x55, 0x88, 0x89, 0x8a, 0x93, 0xa0, 0xa3), fc.nat(20), fc.nat(20)).map(([op, lba, n]) =>
    Uint8Array.from([op, 0, 0, 0, 0, lba, 0, 0, n, 0, 0, 0, 0, n, 0, 0])),
)
const common = { immediate: bit, final: bit, lunHigh: lun, itt: u32, cmdSn: u32 }

/** PDUs that are mostly right, so that they get past the first check. CmdSN counts from where the session is. */
const structured = fc.oneof(
  fc.record({ ...common, read: bit, write: bit, expectedLength: fc.oneof(u32, fc.constantFrom(512, 4096, 65536)), cdb }).map((f) => ScsiCommand.encode({ opcode: Opcode.SCSI_COMMAND, ...f })),
  fc.record({ final: bit, itt: u32, ttt: u32, dataSn: u32, bufferOffset: u32 }).map((f) => DataOut.encode({ opcode: Opcode.DATA_OUT, ...f })),
  // Resets of the whole target would end the session that watches.
  fc.record({ ...common, function: fc.constantFrom(1, 2, 3, 4, 5, 8, 77), referencedTag: u32, refCmdSn: u32 }).map((f) => TaskManagement.encode({ opcode: Opcode.TASK_MANAGEMENT, ...f })),
  fc.record({ ...common, ttt: u32 }).map((f) => NopOut.encode({ opcode: Opcode.NOP_OUT, ...f })),
  fc.record({ ...common, ttt: u32, more: bit }).map((f) => TextRequest.encode({ opcode: Opcode.TEXT, ...f })),
  fc.record({ itt: u32, cmdSn: u32, immediate: bit, reason: fc.nat(3), cid: fc.nat(1) }).map((f) => LogoutRequest.encode({ opcode: Opcode.LOGOUT, ...f })),
  fc.record({ itt: u32, transit: bit, more: bit, currentStage: fc.nat(3), nextStage: fc.nat(3) }).map((f) => LoginRequest.encode({ opcode: Opcode.LOGIN, immediate: 1, ...f })),
  fc.record({ length: fc.nat(12), type: fc.nat(3), itt: u32, words: fc.nat(4) }).map((f) => Buffer.concat([
    ScsiCommand.encode({ opcode: Opcode.SCSI_COMMAND, final: 1, lunHigh: 0x00010000, itt: f.itt, cmdSn: 1, ahsLength: f.words }),
    Buffer.concat([AdditionalHeader.encode({ ahsLength: f.length, type: f.type }), Buffer.alloc(16, 0x5a)]).subarray(0, f.words * 4),
  ])),
)
const truth = fc.record({ header: structured, body: data, lie: fc.option(fc.nat(0xffffff), { freq: 12 }) })

function bytesOf(p: { header: Uint8Array; body: Uint8Array; lie: number | null }): Buffer {
  const bytes = wirePdu(p.header, p.body)
  if (p.lie !== null) bytes.writeUIntBE(p.lie, BasicHeader.at.dataLength, 3)
  return bytes
}

test('PDUs of a session, one field after the other made up', async () => {
  await fc.assert(fc.asyncProperty(fc.array(truth, { minLength: 1, maxLength: 6 }), fc.nat(3), async (list, mode) => {
    const more: Record<string, string> = [{}, { HeaderDigest: 'None', InitialR2T: 'No' }, { ImmediateData: 'No' }, { MaxRecvDataSegmentLength: '512', MaxOutstandingR2T: '4' }][mode]!
    const i = await Initiator.login(port, { InitiatorName: 'iqn.x:bad', ...more })
    i.wire.socket.write(Buffer.concat(list.map(bytesOf)))
    await goodIsServed()
    i.close()
    await i.wire.closed
  }), { numRuns: RUNS })
})

test('a header of any bytes, with any operation code', async () => {
  const header = fc.tuple(fc.uint8Array({ minLength: BHS, maxLength: BHS }), fc.constantFrom(...Object.values(Opcode)), byte)
  await fc.assert(fc.asyncProperty(header, data, async ([bytes, opcode, code], body) => {
    const h = Buffer.from(bytes)
    h[BasicHeader.at.opcode] = (h[BasicHeader.at.opcode]! & 0x40) | opcode
    h[BasicHeader.at.ahsLength] = 0
    h.writeUInt32BE(0x00010000, BasicHeader.at.lunHigh)
    if (opcode === Opcode.TASK_MANAGEMENT) h[TaskManagement.at.function] = 0x80 | code % 6
    const i = await Initiator.login(port, { InitiatorName: 'iqn.x:bad' })
    i.wire.socket.write(wirePdu(h, body))
    await goodIsServed()
    i.close()
    await i.wire.closed
  }), { numRuns: RUNS })
})

test('any bytes before login, in any pieces', async () => {
  await fc.assert(fc.asyncProperty(fc.array(fc.uint8Array({ maxLength: 200 }), { maxLength: 4 }), fc.boolean(), async (chunks, login) => {
    const i = await Initiator.connect(port)
    if (login) i.wire.socket.write(LoginRequest.encode({ opcode: Opcode.LOGIN, immediate: 1, currentStage: 1, nextStage: 3, transit: 1, dataLength: 64 }))
    for (const c of chunks) i.wire.socket.write(c)
    await goodIsServed()
    i.close()
    await i.wire.closed
  }), { numRuns: RUNS })
})

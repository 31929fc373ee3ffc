import { FixedSense, OverwriteParameters, sense, senseKey, Status } from '@tcmu/host/scsi'
import {
  cdb, expectCheck, expectGood, expectInvalidField, expectInvalidOpcode, expectInvalidParameter, expectParameterListLength, expectWriteProtected, held, ramHandler,
} from '@tcmu/host/testing'
import { BLOCK, BLOCKS, blocksOf, disk, fieldOf, pattern } from './harness'

const declare = { sanitize: true } as const
const wiping = (data: Uint8Array, fields: object = {}) => cdb.sanitizeOverwrite({ listLength: data.length, ...fields })
const list = (bytes: readonly number[], fields: object = {}) =>
  Buffer.concat([OverwriteParameters.encode({ count: 1, length: bytes.length, ...fields }), Uint8Array.from(bytes)])
const inProgress = (answer: Parameters<typeof expectCheck>[0]) => expectCheck(answer, senseKey.NOT_READY, sense.SANITIZE_IN_PROGRESS)
const failed = (answer: Parameters<typeof expectCheck>[0]) => expectCheck(answer, senseKey.MEDIUM_ERROR, sense.SANITIZE_COMMAND_FAILED)

test('without leave of the handler there is no such command', async () => {
  const { initiator } = await disk()
  for (const bytes of [cdb.sanitizeBlockErase(), cdb.sanitizeExitFailureMode()]) {
    expect(fieldOf(expectInvalidOpcode(await initiator.send(bytes, {})).sense)).toEqual({ byte: 0, bit: -1, inCdb: true })
  }
})

describe('OVERWRITE', () => {
  test.each([
    ['once', { count: 1 }, [7]], ['three times', { count: 3 }, [7, 7, 7]], ['inverting, three times', { count: 3, invert: 1 }, [7, 248, 7]],
    ['inverting, twice', { count: 2, invert: 1 }, [248, 7]],
  ])('writes every block, %s', async (_how, fields, passes) => {
    const first: number[] = []
    let flushes = 0
    const { initiator, memory } = await disk({
      declare,
      handler: {
        write: (ram: Uint8Array, io: { offset: number; length: number; data: { copyTo(b: Uint8Array): void } }) => {
          io.data.copyTo(ram.subarray(io.offset, io.offset + io.length))
          if (io.offset === 0) first.push(ram[0])
        },
        flush: () => void flushes++, writeSame: () => { throw new Error('a zero range may keep what was there') },
      },
    })
    memory.set(pattern(BLOCKS))
    const data = list([7], fields)
    expectGood(await initiator.send(wiping(data), { dataOut: data }))
    expect(memory.every((b) => b === 7)).toBe(true)
    expect(first).toEqual(passes)
    expect(flushes).toBe(passes.length)
  })

  test('repeats a pattern within each block', async () => {
    const { initiator, memory } = await disk({ declare })
    const data = list([1, 2, 3])
    expectGood(await initiator.send(wiping(data), { dataOut: data }))
    expect(blocksOf(memory, BLOCKS - 1)).toEqual(Buffer.alloc(BLOCK, Buffer.from([1, 2, 3])))
  })

  test.each([
    ['a count of 0', list([1], { count: 0 }), { byte: 0, bit: 4 }], ['a test', list([1], { test: 1 }), { byte: 0, bit: 6 }],
    ['no pattern', list([1], { length: 0 }), { byte: 2, bit: -1 }], ['a pattern longer than a block', list([1], { length: BLOCK + 1 }), { byte: 2, bit: -1 }],
  ])('%s is refused', async (_what, data, field) => {
    const { initiator, memory } = await disk({ declare })
    expect(fieldOf(expectInvalidParameter(await initiator.send(wiping(data), { dataOut: data })).sense)).toEqual({ ...field, inCdb: false })
    expect(memory.every((b) => b === 0)).toBe(true)
  })

  test.each([0, 4, BLOCK + 5])('a parameter list of %i bytes is refused', async (n) => {
    const { initiator } = await disk({ declare })
    const refused = expectInvalidField(await initiator.send(cdb.sanitizeOverwrite({ listLength: n }), { dataOut: Buffer.alloc(Math.max(1, n)) }))
    expect(fieldOf(refused.sense)).toEqual({ byte: 7, bit: -1, inCdb: true })
  })

  test('a pattern or a list cut short is refused', async () => {
    const { initiator } = await disk({ declare })
    expectParameterListLength(await initiator.send(wiping(list([1], { length: 2 })), { dataOut: list([1], { length: 2 }) }))
    expectParameterListLength(await initiator.send(cdb.sanitizeOverwrite({ listLength: 20 }), { dataOut: list([1]) }))
  })
})

test.each([[true, true], [false, false]])('BLOCK ERASE writes zeroes in place, and unmaps where that reads as zeroes (%p)', async (unmappedReadsZero, unmaps) => {
  const calls: string[] = []
  const { initiator, memory } = await disk({
    declare: { ...declare, unmappedReadsZero },
    handler: { write: (ram: Uint8Array, io: { offset: number; length: number }) => { calls.push('write'); ram.fill(0, io.offset, io.offset + io.length) }, unmap: () => void calls.push('unmap') },
  })
  memory.set(pattern(BLOCKS))
  expectGood(await initiator.send(cdb.sanitizeBlockErase(), {}))
  expect(memory.every((b) => b === 0)).toBe(true)
  expect(calls).toEqual(unmaps ? ['write', 'unmap'] : ['write'])
})

test.each([
  ['ZNR', { znr: 1 }, { byte: 1, bit: 6 }], ['a parameter list', { listLength: 4 }, { byte: 7, bit: -1 }],
])('BLOCK ERASE and EXIT FAILURE MODE refuse %s', async (_what, fields, field) => {
  const { initiator } = await disk({ declare })
  for (const bytes of [cdb.sanitizeBlockErase(fields), cdb.sanitizeExitFailureMode(fields)]) {
    expect(fieldOf(expectInvalidField(await initiator.send(bytes, { dataOut: Buffer.alloc(4) })).sense)).toEqual({ ...field, inCdb: true })
  }
})

test.each([2, 3, 4, 5, 6])('reserved bits in byte %i are refused', async (at) => {
  const { initiator } = await disk({ declare })
  const bytes = cdb.sanitizeBlockErase()
  bytes[at] = 0x10
  expect(fieldOf(expectInvalidField(await initiator.send(bytes, {})).sense)).toEqual({ byte: at, bit: 4, inCdb: true })
})

test.each([0x00, 0x03, 0x04, 0x1e])('service action %i is refused: cryptographic erase and those that are none', async (sa) => {
  const { initiator } = await disk({ declare })
  const bytes = cdb.sanitizeBlockErase()
  bytes[1] = sa
  expect(fieldOf(expectInvalidField(await initiator.send(bytes, {})).sense)).toEqual({ byte: 1, bit: 4, inCdb: true })
})

test('a write protected unit is not sanitized', async () => {
  const { initiator } = await disk({ declare, readOnly: true })
  expectWriteProtected(await initiator.send(cdb.sanitizeBlockErase(), {}))
  expectGood(await initiator.send(cdb.sanitizeExitFailureMode(), {}))
})

async function watched() {
  const gate = held(ramHandler, (operation) => operation === 'write')
  return { ...(await disk({ declare, sizeBytes: 4 << 20, handler: { ...gate.handler, open: undefined } as never })), gate }
}
const until = async (holds: () => boolean) => {
  while (!holds()) await new Promise((r) => setImmediate(r))
}

test('it goes on when its command is aborted, and tells how far it is', async () => {
  const { initiator, other, device, gate, memory } = await watched()
  memory.fill(1)
  const answer = initiator.send(cdb.sanitizeBlockErase(), {})
  await until(() => gate.waiting.length === 1)
  gate.release()
  await until(() => gate.waiting.length === 1)
  await device.abort(() => true)
  expect((await answer).status).toBe(0x40)
  for (const refused of [other.testUnitReady(), other.send(cdb.startStopUnit({ start: 1 }), {}), other.read({ lba: 0, blocks: 1 }), initiator.send(cdb.sanitizeBlockErase(), {})]) {
    inProgress(await refused)
  }
  expectGood(await other.inquiry())
  const { key, asc, specific } = FixedSense.decode(expectGood(await other.requestSense()).data)
  expect({ key, asc, progress: specific[1] * 256 + specific[2] }).toEqual({ key: 2, asc: 0x041b, progress: 16384 })
  for (let i = 0; i < 3; i++) {
    gate.release()
    await until(() => i === 2 || gate.waiting.length === 1)
  }
  for (let tries = 0; (await other.testUnitReady()).status !== 0; tries++) expect(tries).toBeLessThan(100)
  expect(memory.every((b) => b === 0)).toBe(true)
})

test('IMMED is answered when it begins', async () => {
  const { initiator, other, gate } = await watched()
  expectGood(await initiator.send(cdb.sanitizeBlockErase({ immed: 1 }), {}))
  inProgress(await other.testUnitReady())
  await until(() => gate.waiting.length === 1)
  for (let i = 0; i < 4; i++) {
    gate.release()
    await until(() => i === 3 || gate.waiting.length === 1)
  }
  await until(() => gate.waiting.length === 0)
  for (let tries = 0; (await other.testUnitReady()).status !== 0; tries++) expect(tries).toBeLessThan(100)
})

describe('a SANITIZE that fails', () => {
  async function broken(ause: number) {
    const state = { broken: true }
    const found = await disk({ declare, handler: { write: () => (state.broken ? Status.WR_ERR : Status.OK) } })
    failed(await found.initiator.send(cdb.sanitizeBlockErase({ ause }), {}))
    failed(await found.other.read({ lba: 0, blocks: 1 }))
    failed(await found.other.testUnitReady())
    failed(await found.other.send(cdb.formatUnit(), {}))
    expectGood(await found.other.inquiry())
    expect(FixedSense.decode(expectGood(await found.other.requestSense()).data)).toMatchObject({ key: 3, asc: 0x3103 })
    return { ...found, mend: () => (state.broken = false) }
  }

  test('in unrestricted completion mode is left by EXIT FAILURE MODE', async () => {
    const { other } = await broken(1)
    expectGood(await other.send(cdb.sanitizeExitFailureMode(), {}))
    expectGood(await other.testUnitReady())
  })

  test('in restricted completion mode by another one in that mode only', async () => {
    const { other, mend } = await broken(0)
    expect(fieldOf(expectInvalidField(await other.send(cdb.sanitizeExitFailureMode(), {})).sense)).toEqual({ byte: 1, bit: 4, inCdb: true })
    expect(fieldOf(expectInvalidField(await other.send(cdb.sanitizeBlockErase({ ause: 1 }), {})).sense)).toEqual({ byte: 1, bit: 5, inCdb: true })
    mend()
    expectGood(await other.send(cdb.sanitizeBlockErase(), {}))
    expectGood(await other.testUnitReady())
  })
})

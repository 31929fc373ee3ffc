import { FixedSense, FormatHeader, FormatHeaderLong, InitializationPattern, sense, senseKey, Status } from '@tcmu/host/scsi'
import {
  cdb, expectCheck, expectFormatInProgress, expectGood, expectInvalidField, expectInvalidParameter, expectParameterListLength, expectWriteProtected, held, ramHandler,
} from '@tcmu/host/testing'
import { BLOCK, BLOCKS, blocksOf, disk, fieldOf, pattern, zeroes } from './harness'

const list = (fields: object = {}, ...more: Uint8Array[]) => Buffer.concat([FormatHeader.encode(fields), ...more])
const pattern16 = (bytes: number[], fields: object = {}) =>
  Buffer.concat([InitializationPattern.encode({ type: 1, length: bytes.length, ...fields }), Uint8Array.from(bytes)])
const formatCorrupted = (answer: Parameters<typeof expectCheck>[0]) => expectCheck(answer, senseKey.MEDIUM_ERROR, sense.MEDIUM_FORMAT_CORRUPTED)

describe('without a pattern', () => {
  test.each([
    ['unmapped where that reads as zeroes', true, true], ['zeroes where it does not', false, false],
  ])('every block is %s', async (_how, unmappedReadsZero, unmaps) => {
    const unmapped: number[] = []
    const { initiator, memory } = await disk({
      declare: { unmappedReadsZero },
      handler: { unmap: (ram: Uint8Array, r: { offset: number; length: number }) => { unmapped.push(r.length); ram.fill(0, r.offset, r.offset + r.length) } },
    })
    memory.set(pattern(BLOCKS))
    expectGood(await initiator.send(cdb.formatUnit(), {}))
    expect(memory.every((b) => b === 0)).toBe(true)
    expect(unmapped.reduce((n, l) => n + l, 0)).toBe(unmaps ? BLOCKS * BLOCK : 0)
  })

  test('zeroes when the handler declines to unmap', async () => {
    const { initiator, memory } = await disk({ handler: { unmap: () => Status.NOT_HANDLED } })
    memory.set(pattern(BLOCKS))
    expectGood(await initiator.send(cdb.formatUnit(), {}))
    expect(memory.every((b) => b === 0)).toBe(true)
  })

  test('what was formatted is flushed', async () => {
    const calls: string[] = []
    const { initiator } = await disk({ handler: { unmap: () => void calls.push('unmap'), flush: () => void calls.push('flush') } })
    expectGood(await initiator.send(cdb.formatUnit(), {}))
    expect(calls).toEqual(['unmap', 'flush'])
  })
})

test.each([
  ['short header', list({ fov: 1, ip: 1 }, pattern16([1, 2, 3])), 0],
  ['long header', Buffer.concat([FormatHeaderLong.encode({ fov: 1, ip: 1, dcrt: 1 }), pattern16([1, 2, 3])]), 1],
])('a pattern is repeated within each block (%s)', async (_what, data, longList) => {
  const { initiator, memory } = await disk()
  expectGood(await initiator.send(cdb.formatUnit({ fmtData: 1, longList }), { dataOut: data }))
  const block = Buffer.alloc(BLOCK, Buffer.from([1, 2, 3]))
  for (const lba of [0, 1, BLOCKS - 1]) expect(blocksOf(memory, lba)).toEqual(block)
})

test('options that change nothing here are taken', async () => {
  const { initiator } = await disk()
  expectGood(await initiator.send(cdb.formatUnit({ fmtData: 1, cmpList: 1 }), { dataOut: list({ fov: 1, dpry: 1, dcrt: 1, stpf: 1 }) }))
  expectGood(await initiator.send(cdb.formatUnit({ fmtData: 1, defectListFormat: 4 }), { dataOut: list() }))
})

describe('refused, and nothing is formatted', () => {
  const kept = async (fields: object, data?: Uint8Array) => {
    const { initiator, memory } = await disk()
    memory.set(pattern(3))
    const answer = await initiator.send(cdb.formatUnit(fields), data ? { dataOut: data } : {})
    expect(blocksOf(memory, 0, 3)).toEqual(pattern(3))
    return answer
  }
  test.each([
    ['protection information', { fmtpInfo: 2 }, { byte: 1, bit: 7 }],
    ['LONGLIST without data', { longList: 1 }, { byte: 1, bit: 5 }],
    ['CMPLST without data', { cmpList: 1 }, { byte: 1, bit: 3 }],
    ['a defect list format without data', { defectListFormat: 4 }, { byte: 1, bit: 2 }],
  ])('%s', async (_what, fields, field) => {
    expect(fieldOf(expectInvalidField(await kept(fields)).sense)).toEqual({ ...field, inCdb: true })
  })

  test.each([
    ['a protection field usage', list({ protectionFieldUsage: 1 }), 0, { byte: 0, bit: 2 }],
    ['options without FOV', list({ dcrt: 1 }), 0, { byte: 1, bit: 7 }],
    ['a defect list', list({ fov: 1, defectListLength: 8 }), 0, { byte: 2, bit: -1 }],
    ['a protection interval', FormatHeaderLong.encode({ intervalExponent: 1 }), 1, { byte: 3, bit: 3 }],
    ['security initialize', list({ fov: 1, ip: 1 }, pattern16([1], { si: 1 })), 0, { byte: 4, bit: 5 }],
    ['an unknown kind of pattern', list({ fov: 1, ip: 1 }, pattern16([1], { type: 2 })), 0, { byte: 5, bit: -1 }],
    ['an empty pattern', list({ fov: 1, ip: 1 }, pattern16([])), 0, { byte: 6, bit: -1 }],
    ['a pattern longer than a block', list({ fov: 1, ip: 1 }, pattern16([1], { length: BLOCK + 1 })), 0, { byte: 6, bit: -1 }],
  ])('%s', async (_what, data, longList, field) => {
    expect(fieldOf(expectInvalidParameter(await kept({ fmtData: 1, longList }, data)).sense)).toEqual({ ...field, inCdb: false })
  })

  test.each([
    ['no parameter list', undefined], ['half a header', Buffer.alloc(3)], ['a pattern cut short', list({ fov: 1, ip: 1 }, pattern16([1, 2], { length: 3 }))],
  ])('%s', async (_what, data) => {
    expectParameterListLength(await kept({ fmtData: 1 }, data))
  })

  test('a write protected unit', async () => {
    const { initiator } = await disk({ readOnly: true })
    expectWriteProtected(await initiator.send(cdb.formatUnit(), {}))
  })
})

/** A disk whose writes wait, 4 MiB of it, so that formatting takes a few. */
async function watched() {
  const gate = held(ramHandler, (operation) => operation === 'write')
  const found = await disk({ sizeBytes: 4 << 20, handler: { ...gate.handler, open: undefined, unmap: undefined } as never })
  const step = async () => {
    while (gate.waiting.length === 0) await new Promise((r) => setImmediate(r))
    gate.release()
    await new Promise((r) => setImmediate(r))
  }
  return { ...found, gate, step }
}
const progressOf = (answer: { data: Buffer }) => {
  const { key, asc, specific } = FixedSense.decode(answer.data)
  return { key, asc, progress: specific[0] & 0x80 ? specific[1] * 256 + specific[2] : -1 }
}

describe.each([['IMMED', 1], ['until the end', 0]])('while it runs, %s', (_how, immed) => {
  const start = (disk: Awaited<ReturnType<typeof watched>>) =>
    disk.initiator.send(cdb.formatUnit({ fmtData: 1 }), { dataOut: list({ immed }) })

  test('others hear of it, and REQUEST SENSE how far it is', async () => {
    const disk = await watched()
    const { initiator, other, step } = disk
    const done = start(disk)
    if (immed) expectGood(await done)
    const seen: number[] = []
    for (let i = 0; i < 4; i++) {
      while (disk.gate.waiting.length === 0) await new Promise((r) => setImmediate(r))
      const progress = progressOf(expectGood(await other.requestSense()))
      expect(progress).toMatchObject({ key: 2, asc: 0x0404 })
      seen.push(progress.progress)
      for (const refused of [other.testUnitReady(), other.read({ lba: 0, blocks: 1 }), initiator.write(0, zeroes()), initiator.send(cdb.formatUnit(), {})]) {
        const { sense: bytes } = expectFormatInProgress(await refused)
        expect(bytes[15] & 0x80).toBe(0x80)
      }
      expectGood(await other.inquiry())
      await step()
    }
    expect(seen).toEqual([0, 16384, 32768, 49152])
    if (!immed) expectGood(await done)
    for (let tries = 0; (await other.testUnitReady()).status !== 0; tries++) expect(tries).toBeLessThan(100)
    expect(progressOf(expectGood(await other.requestSense()))).toMatchObject({ key: 0, progress: -1 })
  })

  test('a device that is closed does not wait for it', async () => {
    const disk = await watched()
    const done = start(disk)
    if (immed) expectGood(await done)
    while (disk.gate.waiting.length === 0) await new Promise((r) => setImmediate(r))
    const closed = disk.device.close(10)
    await new Promise((r) => setTimeout(r, 30))
    disk.gate.releaseAll()
    await closed
    await done
    expect(disk.device.state).toBe('closed')
    expect(disk.device.inflight).toBe(0)
  })
})

test('commands that waited for its turn with it are refused, too', async () => {
  const disk = await watched()
  const first = disk.initiator.write(0, pattern(1))
  const formatted = disk.initiator.send(cdb.formatUnit({ fmtData: 1 }), { dataOut: list({ immed: 1 }) })
  const late = disk.other.write(1, pattern(1))
  await disk.step()
  expectGood(await first)
  expectGood(await formatted)
  expectFormatInProgress(await late)
  for (let i = 0; i < 4; i++) await disk.step()
})

test('an aborted FORMAT UNIT ends, and the unit is there again', async () => {
  const disk = await watched()
  const answer = disk.initiator.send(cdb.formatUnit(), {})
  while (disk.gate.waiting.length === 0) await new Promise((r) => setImmediate(r))
  const aborted = disk.device.abort(() => true)
  disk.gate.releaseAll()
  await aborted
  expect((await answer).status).toBe(0x40)
  expectGood(await disk.initiator.testUnitReady())
})

test('a format that fails leaves the medium corrupt until one succeeds', async () => {
  let broken = true
  const { initiator, other } = await disk({ handler: { unmap: undefined, write: () => (broken ? Status.WR_ERR : Status.OK) } })
  expectCheck(await initiator.send(cdb.formatUnit(), {}), senseKey.MEDIUM_ERROR, sense.FORMAT_COMMAND_FAILED)
  formatCorrupted(await other.read({ lba: 0, blocks: 1 }))
  expect(FixedSense.decode(expectGood(await other.requestSense()).data)).toMatchObject({ key: 3, asc: 0x3100 })
  broken = false
  expectGood(await initiator.send(cdb.formatUnit(), {}))
  expectGood(await other.read({ lba: 0, blocks: 1 }))
})

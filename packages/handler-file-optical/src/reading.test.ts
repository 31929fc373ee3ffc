import { expectCheck, expectData, expectGood, expectInvalidField, expectLbaOutOfRange, expectMiscompare, expectReadError, expectResidual, initiatorOf, type ScsiAnswer } from '@tcmu/host/testing'
import { senseKey, sense } from '@tcmu/host/scsi'
import { BLOCK } from './medium'
import { edcOf, Sector } from './sector'
import { mmcSense } from './sense'
import { drive, type DriveBench, image, largeDrive, nexus } from './testing/bench'

const be32 = (n: number): number[] => [(n >>> 24) & 0xff, (n >>> 16) & 0xff, (n >>> 8) & 0xff, n & 0xff]
const read10 = (b: DriveBench, lba: number, blocks: number, room = blocks * BLOCK): Promise<ScsiAnswer> =>
  b.command([0x28, 0, ...be32(lba), 0, (blocks >> 8) & 0xff, blocks & 0xff, 0], room)
const read12 = (b: DriveBench, lba: number, blocks: number): Promise<ScsiAnswer> => b.command([0xa8, 0, ...be32(lba), ...be32(blocks), 0, 0], Math.min(blocks * BLOCK, 2 ** 25))
const verify = (b: DriveBench, lba: number, blocks: number, bytchk = 0, data?: Buffer): Promise<ScsiAnswer> =>
  b.command([0x2f, bytchk << 1, ...be32(lba), 0, (blocks >> 8) & 0xff, blocks & 0xff, 0], 0, data)

describe('READ', () => {
  test('the whole disc, in ranges of any size, in pieces of memory of any size', async () => {
    const b = await drive(100)
    const disc = image(100)
    for (const pieces of [undefined, 700]) {
      b.initiator = initiatorOf(b.device, { nexus: b.nexus, ...(pieces !== undefined && { pieces }) })
      for (const [lba, blocks] of [[0, 100], [0, 1], [99, 1], [13, 64]] as const) {
        expectData(await read10(b, lba, blocks), disc.subarray(lba * BLOCK, (lba + blocks) * BLOCK))
        expectData(await read12(b, lba, blocks), disc.subarray(lba * BLOCK, (lba + blocks) * BLOCK))
      }
    }
    expectData(await b.command([8, 0, 0, 5, 2, 0], 2 * BLOCK), disc.subarray(5 * BLOCK, 7 * BLOCK))
  })
  test('READ(6) of 0 blocks is of 256', async () => {
    const b = await drive(300)
    expectData(await b.command([8, 0, 0, 5, 0, 0], 256 * BLOCK), image(300).subarray(5 * BLOCK, 261 * BLOCK))
  })
  test('nothing beyond the end, nor on it', async () => {
    const b = await drive(100)
    for (const [lba, blocks] of [[100, 1], [99, 2], [100, 0], [2 ** 32 - 1, 1], [0, 101]] as const) expectLbaOutOfRange(await read10(b, lba, blocks))
    for (const [lba, blocks] of [[1, 2 ** 32 - 1], [2 ** 32 - 1, 2 ** 32 - 1]] as const) expectLbaOutOfRange(await read12(b, lba, blocks))
    expectGood(await read10(b, 99, 0))
  })
  test('less room than blocks, and more', async () => {
    const b = await drive(100)
    expectData(await read10(b, 3, 4, 3000), image(100).subarray(3 * BLOCK, 3 * BLOCK + 3000))
    expectData(expectResidual(await read10(b, 3, 1, 5000), 5000 - BLOCK), image(100).subarray(3 * BLOCK, 4 * BLOCK))
  })
  test('at most 8 MiB at a time', async () => {
    const b = await largeDrive(100_000)
    expectGood(await read12(b, 0, 4096))
    expectInvalidField(await read12(b, 0, 4097))
    expectInvalidField(await read12(b, 0, 65_536))
  })
  test('a last block that the image does not fill ends in zeroes', async () => {
    const b = await drive(10, 3)
    const { data } = expectGood(await read10(b, 9, 2))
    expect(data.subarray(0, BLOCK + 3).equals(image(10, 1, 3).subarray(9 * BLOCK))).toBe(true)
    expect(data.subarray(BLOCK + 3).every((x) => x === 0)).toBe(true)
  })
  test('an image that was cut off has no zeroes where bytes were', async () => {
    const b = await drive(100)
    b.shelf.images.set('/a.iso', image(50))
    expectData(await read10(b, 49, 1), image(100).subarray(49 * BLOCK, 50 * BLOCK))
    expectReadError(await read10(b, 50, 1))
    expectReadError(await read10(b, 49, 2))
    expectReadError(await verify(b, 0, 100))
    b.shelf.images.set('/a.iso', image(100))
    expectGood(await read10(b, 50, 1))
  })
  test('an error of the file is an error of the medium', async () => {
    const b = await drive(100)
    b.shelf.failing = 'EIO'
    expectReadError(await read10(b, 0, 1))
    expectReadError(await verify(b, 0, 1))
    expectReadError(await b.command([0xbe, 0, 0, 0, 0, 0, 0, 0, 1, 0xf8, 0, 0], Sector.size))
    b.shelf.failing = undefined
    expectGood(await read10(b, 0, 1))
  })
  test('commands under way end with the disc they began with', async () => {
    const b = await drive(3000)
    b.shelf.images.set('/b.iso', image(3000, 2))
    const verifying = verify(b, 0, 3000, 1, image(3000))
    const swapping = b.device.reconfigure({ kind: 'config', config: '/b.iso' })
    const answer = await verifying
    if (answer.status !== 0) expectCheck(answer, senseKey.NOT_READY, sense.MEDIUM_NOT_PRESENT)
    await swapping
    await b.initiator.testUnitReady()
    expectData(await read10(b, 0, 5), image(3000, 2).subarray(0, 5 * BLOCK))
  })
})

describe('VERIFY', () => {
  test('the medium alone, against data, against one block', async () => {
    const b = await drive(2000)
    const disc = image(2000)
    expectGood(await verify(b, 0, 2000))
    expectGood(await verify(b, 10, 600, 1, disc.subarray(10 * BLOCK, 610 * BLOCK)))
    const wrong = Buffer.from(disc.subarray(10 * BLOCK, 610 * BLOCK))
    wrong[599 * BLOCK + 7]! ^= 1
    const answer = expectMiscompare(await verify(b, 10, 600, 1, wrong))
    expect(Buffer.from(answer.sense).readUInt32BE(3)).toBe(599 * BLOCK + 7)
    expectMiscompare(await verify(b, 10, 3, 3, disc.subarray(10 * BLOCK, 11 * BLOCK)))
    expectGood(await verify(b, 10, 1, 3, disc.subarray(10 * BLOCK, 11 * BLOCK)))
    expectInvalidField(await verify(b, 10, 1, 2, disc.subarray(0, BLOCK)))
    expectLbaOutOfRange(await verify(b, 1999, 2))
    expectGood(await verify(b, 5, 0))
  })
})

describe('READ CD', () => {
  const readCd = (b: DriveBench, lba: number, blocks: number, flags: number, { type = 0, sub = 0 } = {}): Promise<ScsiAnswer> =>
    b.command([0xbe, type << 2, ...be32(lba), 0, 0, blocks, flags, sub, 0], blocks * Sector.size)

  test('user data is what READ gives', async () => {
    const b = await drive(100)
    expectData(await readCd(b, 7, 9, 0x10), image(100).subarray(7 * BLOCK, 16 * BLOCK))
    expectData(await b.command([0xb9, 0, 0, 0, 2, 7, 0, 2, 16, 0x10, 0, 0], 9 * BLOCK), image(100).subarray(7 * BLOCK, 16 * BLOCK))
  })
  test('whole sectors, whose error correction is right', async () => {
    const b = await drive(5000)
    const { data } = expectGood(await readCd(b, 4497, 3, 0xf8))
    expect(data.length).toBe(3 * Sector.size)
    const sector = Sector.decode(data, 2 * Sector.size)
    expect(Buffer.from(sector.sync).toString('hex')).toBe('00ffffffffffffffffffff00')
    expect(Buffer.from(sector.header).toString('hex')).toBe('01017401')
    expect(Buffer.from(sector.userData).equals(image(5000).subarray(4499 * BLOCK, 4500 * BLOCK))).toBe(true)
    expect(sector.edc).toBe(edcOf(data.subarray(2 * Sector.size, 2 * Sector.size + Sector.at.edc)))
    for (let i = 0; i < 3; i++) expect(syndromes(data.subarray(i * Sector.size, (i + 1) * Sector.size))).toEqual({ P: 0, Q: 0 })
  })
  test.each([
    ['header', 0x20, 12, 16], ['sync and header', 0xa0, 0, 16], ['header and user data', 0x30, 12, 2064], ['user data and EDC', 0x18, 16, 2352], ['subheader, of which there is none', 0x50, 16, 2064],
    ['everything', 0xf8, 0, 2352], ['nothing', 0, 0, 0],
  ])('%s', async (_, flags, from, to) => {
    const b = await drive(100)
    const whole = (await readCd(b, 3, 2, 0xf8)).data
    const wanted = Buffer.concat([0, 1].map((i) => whole.subarray(i * Sector.size + from, i * Sector.size + to)))
    expectData(await readCd(b, 3, 2, flags, { type: 2 }), wanted)
  })
  test('what a CD-ROM of one data track has not', async () => {
    const b = await drive(100)
    for (const type of [1, 3, 4, 5]) expectCheck(await readCd(b, 0, 1, 0x10, { type }), senseKey.ILLEGAL_REQUEST, mmcSense.ILLEGAL_MODE_FOR_THIS_TRACK)
    for (const flags of [0x90, 0x80 | 0x08, 0x28, 0x12, 0x14]) expectInvalidField(await readCd(b, 0, 1, flags))
    for (const sub of [1, 2, 4]) expectInvalidField(await readCd(b, 0, 1, 0x10, { sub }))
    expectLbaOutOfRange(await readCd(b, 100, 1, 0x10))
    expectCheck(await readCd(await largeDrive(1_000_000), 0, 1, 0x10), senseKey.ILLEGAL_REQUEST, mmcSense.CANNOT_READ_MEDIUM_INCOMPATIBLE_FORMAT)
  })
  test('times before the first block, backwards, or that are none', async () => {
    const b = await drive(100)
    const msf = (...t: number[]): Promise<ScsiAnswer> => b.command([0xb9, 0, 0, ...t, 0x10, 0, 0], BLOCK)
    for (const times of [[0, 0, 0, 0, 2, 1], [0, 2, 5, 0, 2, 4], [0, 60, 0, 1, 0, 1], [0, 2, 75, 0, 3, 1], [0, 2, 0, 0, 3, 26], [255, 59, 74, 255, 59, 74]]) expectLbaOutOfRange(await msf(...times))
    expectGood(await msf(0, 2, 5, 0, 2, 5))
  })
})

/** ECMA-130 annex A, computed the slow way: nonzero syndromes of both codes, over both planes. */
function syndromes(sector: Buffer): { P: number; Q: number } {
  const times = (a: number, b: number): number => {
    let product = 0
    for (; b; b >>= 1, a = a & 0x80 ? (a << 1) ^ 0x11d : a << 1) if (b & 1) product ^= a
    return product
  }
  const bad = { P: 0, Q: 0 }
  const check = (code: 'P' | 'Q', bytes: readonly number[]): void => {
    let sum = 0
    let horner = 0
    for (const byte of bytes) {
      sum ^= byte
      horner = times(horner, 2) ^ byte
    }
    if (sum || horner) bad[code]++
  }
  const at = (plane: number, word: number): number => sector[12 + 2 * word + plane]!
  for (const plane of [0, 1]) {
    for (let column = 0; column < 43; column++) check('P', Array.from({ length: 26 }, (_, row) => at(plane, 43 * row + column)))
    for (let diagonal = 0; diagonal < 26; diagonal++) {
      check('Q', [...Array.from({ length: 43 }, (_, i) => at(plane, (44 * i + 43 * diagonal) % 1118)), at(plane, 1118 + diagonal), at(plane, 1144 + diagonal)])
    }
  }
  return bad
}

test('the error detection code is the remainder of ECMA-130 14.3', () => {
  // (x^16 + x^15 + x^2 + 1)(x^16 + x^2 + x + 1), bits of a byte from the least significant one.
  const polynomial = 0x8001801bn
  const message = Buffer.from([1, 2, 0x80, 0xff, 7])
  const bits = [...message].flatMap((byte) => Array.from({ length: 8 }, (_, i) => BigInt((byte >> i) & 1)))
  let rest = 0n
  for (const bit of [...bits, ...new Array<bigint>(32).fill(0n)]) {
    rest = (rest << 1n) | bit
    if (rest >> 32n) rest ^= (1n << 32n) | polynomial
  }
  const reflected = Number(`0b${[...rest.toString(2).padStart(32, '0')].reverse().join('')}`)
  expect(edcOf(message)).toBe(reflected)
})

test('an initiator that another drive knows is none of this one', async () => {
  const b = await drive()
  const n = nexus('wanderer')
  expectGood(await initiatorOf(b.device, { nexus: n }).testUnitReady())
  expectGood(await initiatorOf((await drive()).device, { nexus: n }).testUnitReady())
})

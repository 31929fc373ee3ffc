import { cdb, expectGood, expectInvalidField, expectLbaOutOfRange, expectMiscompare, expectReadError, faulty, ramHandler } from '@tcmu/host/testing'
import { BLOCK, BLOCKS, blocksOf, disk, fieldOf, informationOf, pattern, zeroes } from './harness'

const verifies = { 10: cdb.verify10, 12: cdb.verify12, 16: cdb.verify16 } as const
const writes = {
  10: cdb.writeAndVerify10,
  12: (f: object) => Uint8Array.of(0xae, ...cdb.verify12(f).subarray(1)),
  16: (f: object) => Uint8Array.of(0x8e, ...cdb.verify16(f).subarray(1)),
} as const
const big = 3000

describe.each([10, 12, 16] as const)('VERIFY(%i)', (size) => {
  const verify = verifies[size]

  test('BYTCHK 0 reads the medium', async () => {
    const { initiator } = await disk()
    expectGood(await initiator.send(verify({ lba: 0, blocks: BLOCKS }), {}))
    expectGood(await initiator.send(verify({ lba: 0, blocks: 0 }), {}))
    const broken = await disk({ handler: faulty(ramHandler, { operation: 'read', error: 5, after: 1 }) as never, sizeBytes: 8 << 20 })
    expectGood(await broken.initiator.send(verify({ blocks: 1 }), {}))
    expectReadError(await broken.initiator.send(verify({ blocks: big }), {}))
  })

  test('BYTCHK 1 compares the range', async () => {
    const { initiator, other, memory } = await disk()
    memory.set(pattern(4), 8 * BLOCK)
    for (const i of [initiator, other]) {
      expectGood(await i.send(verify({ lba: 8, blocks: 4, bytchk: 1 }), { dataOut: pattern(4) }))
      const wrong = pattern(4)
      wrong[3 * BLOCK + 7] ^= 1
      const refused = expectMiscompare(await i.send(verify({ lba: 8, blocks: 4, bytchk: 1 }), { dataOut: wrong }))
      expect(informationOf(refused.sense)).toBe(3 * BLOCK + 7)
    }
  })

  test('BYTCHK 3 finds one block everywhere', async () => {
    const { initiator, memory } = await disk()
    memory.fill(5, 0, 4 * BLOCK)
    expectGood(await initiator.send(verify({ lba: 0, blocks: 4, bytchk: 3 }), { dataOut: Buffer.alloc(BLOCK, 5) }))
    memory[3 * BLOCK + 9] = 6
    const refused = expectMiscompare(await initiator.send(verify({ lba: 0, blocks: 4, bytchk: 3 }), { dataOut: Buffer.alloc(BLOCK, 5) }))
    expect(informationOf(refused.sense)).toBe(9)
  })

  test('BYTCHK 2 and VRPROTECT are refused', async () => {
    const { initiator } = await disk()
    const refused = expectInvalidField(await initiator.send(verify({ blocks: 1, bytchk: 2 }), { dataOut: zeroes() }))
    expect(fieldOf(refused.sense)).toEqual({ byte: 1, bit: 2, inCdb: true })
    for (let protect = 1; protect < 8; protect++) expectInvalidField(await initiator.send(verify({ blocks: 1, protect }), {}))
  })

  test('a range beyond the last block is out of range', async () => {
    const { initiator } = await disk()
    expectLbaOutOfRange(await initiator.send(verify({ lba: BLOCKS - 1, blocks: 2 }), {}))
    expectLbaOutOfRange(await initiator.send(verify({ lba: BLOCKS + 1, blocks: 0 }), {}))
  })

  test('a long range is compared in pieces', async () => {
    const { initiator, memory } = await disk({ sizeBytes: big * BLOCK })
    const data = pattern(big)
    memory.set(data)
    expectGood(await initiator.send(verify({ lba: 0, blocks: big, bytchk: 1 }), { dataOut: data }))
    memory[2500 * BLOCK + 1] ^= 0x80
    const refused = expectMiscompare(await initiator.send(verify({ lba: 0, blocks: big, bytchk: 1 }), { dataOut: data }))
    expect(informationOf(refused.sense)).toBe(2500 * BLOCK + 1)
  })

  test('data cut short is compared as far as it goes', async () => {
    const { send, memory } = await disk()
    memory.set(pattern(1))
    expect(await send(verify({ blocks: 2, bytchk: 1 }), { dataOut: pattern(1) })).toMatchObject({ status: 0, transferLength: 2 * BLOCK })
    expect(await send(verify({ blocks: 2, bytchk: 3 }), { dataOut: pattern(1).subarray(1) })).toMatchObject({ key: 5, asc: 0x2400 })
  })
})

describe.each([10, 12, 16] as const)('WRITE AND VERIFY(%i)', (size) => {
  const write = writes[size]

  test.each([0, 1])('writes and finds it there (BYTCHK %i)', async (bytchk) => {
    const { initiator, memory } = await disk()
    expectGood(await initiator.send(write({ lba: 2, blocks: 3, bytchk }), { dataOut: pattern(3) }))
    expect(blocksOf(memory, 2, 3)).toEqual(pattern(3))
  })

  test('a medium that forgets is found out by BYTCHK 1 only', async () => {
    const { initiator } = await disk({ handler: { write: () => {} } })
    expectGood(await initiator.send(write({ blocks: 1, bytchk: 0 }), { dataOut: pattern(1) }))
    expect(informationOf(expectMiscompare(await initiator.send(write({ blocks: 1, bytchk: 1 }), { dataOut: pattern(1) })).sense)).toBe(0)
  })

  test('what was written is on the medium before it is read back', async () => {
    const events: string[] = []
    const { initiator } = await disk({
      handler: { write: () => void events.push('write'), flush: () => void events.push('flush'), read: () => void events.push('read') },
    })
    expectGood(await initiator.send(write({ blocks: 1 }), { dataOut: pattern(1) }))
    expect(events).toEqual(['write', 'flush', 'read'])
  })

  test('BYTCHK 2 and 3, and WRPROTECT, are refused', async () => {
    const { initiator, memory } = await disk()
    for (const fields of [{ bytchk: 2 }, { bytchk: 3 }, { protect: 1 }]) {
      expectInvalidField(await initiator.send(write({ blocks: 1, ...fields }), { dataOut: pattern(1) }))
    }
    expect(memory.every((b) => b === 0)).toBe(true)
  })

  test.each([[0, 1, 0], [200, 1, 0], [BLOCK, 2, 1], [2 * BLOCK, 1, 1]])('with %i bytes of %i blocks', async (sent, blocks, written) => {
    const { send, memory } = await disk()
    const r = await send(write({ blocks, bytchk: 1 }), { dataOut: pattern(4).subarray(0, sent) })
    expect(r).toMatchObject({ status: 0, transferLength: blocks * BLOCK })
    expect(blocksOf(memory, 0, 2)).toEqual(Buffer.concat([pattern(written), zeroes(2 - written)]))
  })
})

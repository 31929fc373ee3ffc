import {
  cdb, expectData, expectGood, expectInvalidField, expectInvalidOpcode, expectLbaOutOfRange, expectMiscompare, expectParameterListLength, expectResidual,
  type Initiator, Random,
} from '@tcmu/host/testing'

/** A disk of BLOCKS blocks of 512 bytes behind a ring, whoever the other side of the ring is. */
export interface RingPlace {
  readonly initiator: Initiator
}

export const BLOCK = 512
export const BLOCKS = 8192
const bytesOf = (blocks: number, seed: number): Uint8Array => new Random(seed).bytes(blocks * BLOCK)

async function capacity({ initiator }: RingPlace): Promise<void> {
  const ten = expectGood(await initiator.readCapacity10())
  expect([ten.data.readUInt32BE(0), ten.data.readUInt32BE(4)]).toEqual([BLOCKS - 1, BLOCK])
  const sixteen = expectGood(await initiator.readCapacity16())
  expect([Number(sixteen.data.readBigUInt64BE(0)), sixteen.data.readUInt32BE(8)]).toEqual([BLOCKS - 1, BLOCK])
}

async function inquiry({ initiator }: RingPlace): Promise<void> {
  const whole = expectGood(await initiator.inquiry({ allocation: 255 }))
  expect(whole.data.length).toBe(whole.data[4] + 5)
  expectResidual(whole, 255 - whole.data.length)
  for (const allocation of [0, 5, 36]) {
    const part = expectGood(await initiator.inquiry({ allocation }))
    expectData(part, whole.data.subarray(0, allocation))
  }
  const pages = expectGood(await initiator.vpd(0)).data
  for (const page of pages.subarray(4)) expect(expectGood(await initiator.vpd(page)).data[1]).toBe(page)
  expectInvalidField(await initiator.vpd(0xff))
}

async function transfers({ initiator }: RingPlace): Promise<void> {
  for (const [i, blocks] of [1, 2, 7, 8, 9, 64, 128, 300].entries()) {
    const data = bytesOf(blocks, i + 1)
    expectGood(await initiator.write(i * 300, data))
    expectData(expectGood(await initiator.read({ lba: i * 300, blocks })), data)
  }
}

async function shapes({ initiator }: RingPlace): Promise<void> {
  const all = bytesOf(4, 11)
  const out = (i: number): Uint8Array => all.subarray(i * BLOCK, (i + 1) * BLOCK)
  expectGood(await initiator.send(cdb.write6({ lba: 40, blocks: 1 }), { dataOut: out(0) }))
  expectGood(await initiator.send(cdb.write10({ lba: 41, blocks: 1 }), { dataOut: out(1) }))
  expectGood(await initiator.send(cdb.write12({ lba: 42, blocks: 1, fua: 1 }), { dataOut: out(2) }))
  expectGood(await initiator.send(cdb.writeAndVerify10({ lba: 43, blocks: 1 }), { dataOut: out(3) }))
  for (const read of [cdb.read6, cdb.read10, cdb.read12, cdb.read16]) {
    expectData(expectGood(await initiator.send(read({ lba: 40, blocks: 4 }), { dataIn: 4 * BLOCK })), all)
  }
}

async function room({ initiator }: RingPlace): Promise<void> {
  const data = bytesOf(2, 21)
  expectGood(await initiator.write(60, data))
  const less = expectGood(await initiator.send(cdb.read16({ lba: 60, blocks: 2 }), { dataIn: BLOCK }))
  expectData(less, data.subarray(0, BLOCK))
  const more = expectGood(await initiator.send(cdb.read16({ lba: 60, blocks: 2 }), { dataIn: 8 * BLOCK }))
  expectData(more, data)
  expectResidual(more, 6 * BLOCK)
  const none = expectGood(await initiator.send(cdb.read16({ lba: 60, blocks: 0 }), {}))
  expect(none.data).toHaveLength(0)
}

async function ends({ initiator }: RingPlace): Promise<void> {
  const data = bytesOf(2, 31)
  expectGood(await initiator.write(BLOCKS - 2, data))
  expectData(expectGood(await initiator.read({ lba: BLOCKS - 2, blocks: 2 })), data)
  for (const lba of [BLOCKS - 1, BLOCKS, 2 ** 31]) {
    // With CHECK CONDITION the kernel tells its initiator of no residual: what data there is then says nothing.
    expectLbaOutOfRange(await initiator.read({ lba, blocks: 2 }))
    expectLbaOutOfRange(await initiator.write(lba, data))
  }
  expectData(expectGood(await initiator.read({ lba: BLOCKS - 2, blocks: 2 })), data)
}

async function refusals({ initiator }: RingPlace): Promise<void> {
  // No command set has B0h and FBh is a vendor's: CDBs of 12 bytes, and of a length that the code does not tell.
  expectInvalidOpcode(await initiator.send(Uint8Array.of(0xb0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0), { dataIn: 8 }))
  expectInvalidOpcode(await initiator.send(Uint8Array.of(0xfb, 0, 0, 0, 0, 0, 0, 0, 0, 0), {}))
  expectInvalidField(await initiator.send(cdb.read10({ lba: 0, blocks: 1, protect: 1 }), { dataIn: BLOCK }))
  expectInvalidField(await initiator.modeSense(0x3d))
  expectParameterListLength(await initiator.send(cdb.unmap({ listLength: 4 }), { dataOut: new Uint8Array(4) }))
}

async function compares({ initiator }: RingPlace): Promise<void> {
  const [one, two] = [bytesOf(4, 41), bytesOf(4, 42)]
  expectGood(await initiator.write(100, one))
  expectGood(await initiator.verify(100, one))
  expectMiscompare(await initiator.verify(100, two))
  expectMiscompare(await initiator.compareAndWrite(100, Buffer.concat([two, one])))
  expectGood(await initiator.compareAndWrite(100, Buffer.concat([one, two])))
  expectData(expectGood(await initiator.read({ lba: 100, blocks: 4 })), two)
}

async function holes({ initiator }: RingPlace): Promise<void> {
  const data = bytesOf(64, 51)
  expectGood(await initiator.write(200, data))
  expectGood(await initiator.unmap([{ lba: 208, blocks: 8 }, { lba: 224, blocks: 16 }]))
  expectGood(await initiator.writeSame({ lba: 248, blocks: 8 }, new Uint8Array(BLOCK), { unmap: 1 }))
  const block = bytesOf(1, 52)
  expectGood(await initiator.writeSame({ lba: 216, blocks: 4 }, block))
  const wanted = Buffer.from(data)
  for (const [at, n] of [[8, 8], [24, 16], [48, 8]] as const) wanted.fill(0, at * BLOCK, (at + n) * BLOCK)
  for (let i = 16; i < 20; i++) wanted.set(block, i * BLOCK)
  expectData(expectGood(await initiator.read({ lba: 200, blocks: 64 })), wanted)
  expectGood(await initiator.synchronizeCache())
}

async function modes({ initiator }: RingPlace): Promise<void> {
  const page = expectGood(await initiator.modeSense(8)).data
  expect(page[page[3] + 4] & 0x3f).toBe(8)
  const sense = expectGood(await initiator.requestSense())
  expect(sense.data[2] & 0x0f).toBe(0)
  expectGood(await initiator.testUnitReady())
}

/** Many at once, each to a place of its own: an answer that goes to the wrong command is seen. */
async function crowd({ initiator }: RingPlace): Promise<void> {
  const numbers = Array.from({ length: 64 }, (_, i) => i)
  const data = numbers.map((i) => bytesOf(1 + (i % 24), 100 + i))
  const at = (i: number): number => 1000 + i * 24
  for (const answer of await Promise.all(numbers.map((i) => initiator.write(at(i), data[i])))) expectGood(answer)
  const read = await Promise.all(numbers.map((i) => initiator.read({ lba: at(i), blocks: data[i].length / BLOCK })))
  read.forEach((answer, i) => expectData(expectGood(answer), data[i]))
}

/** A walk at random beside a model in memory. */
async function walk({ initiator }: RingPlace): Promise<void> {
  const random = new Random(7)
  const [from, blocks] = [4096, 512]
  const model = Buffer.alloc(blocks * BLOCK)
  expectGood(await initiator.write(from, model))
  for (let i = 0; i < 150; i++) {
    const lba = random.below(blocks)
    const n = 1 + random.below(Math.min(96, blocks - lba))
    if (random.below(2)) {
      const data = random.bytes(n * BLOCK)
      model.set(data, lba * BLOCK)
      expectGood(await initiator.write(from + lba, data))
    } else expectData(expectGood(await initiator.read({ lba: from + lba, blocks: n })), model.subarray(lba * BLOCK, (lba + n) * BLOCK))
  }
}

/**
 * What holds for a disk behind a TCMU ring, on the fake kernel and on the real one alike: a fake that is kinder or harder than
 * the kernel is found out.
 */
export const ringCases: Readonly<Record<string, (place: RingPlace) => Promise<void>>> = {
  'its capacity': capacity,
  'INQUIRY, all its pages, and short allocation lengths': inquiry,
  'transfers of 1 to 300 blocks': transfers,
  'CDBs of 6, 10, 12 and 16 bytes': shapes,
  'less room and more room than the CDB asks for': room,
  'the last block and what is beyond': ends,
  'refusals, with their sense data': refusals,
  'VERIFY and COMPARE AND WRITE': compares,
  'UNMAP and WRITE SAME': holes,
  'mode pages and sense': modes,
  '64 commands at once': crowd,
  'a walk at random': walk,
}

import { AllCommandsHeader, CommandDescriptor } from '../../../scsi/commands/report'
import { op, ProvisioningPage, type Space, VpdHeader } from '../../../scsi'
import { cdb } from '../../cdb'
import { Random } from '../../random'
import { expectGood, expectMiscompare } from '../../expect'
import type { HandlerPromise } from '../promise'
import { broken, movesBlocks, type Opened } from '../subject'

/** VPD page Logical Block Provisioning (SBC-3 6.6.7). */
const PROVISIONING = 0xb2
/** Written to see that the storage in use grows. */
const MOST_FILLED = 256 * 1024
const SEED = 20_026

const has = (name: 'flush' | 'unmap' | 'writeSame' | 'compareAndWrite' | 'extents' | 'space') =>
  (c: Parameters<HandlerPromise['applies']>[0]): true | string => movesBlocks(c) === true ? name in c.handler || `the handler has no \`${name}\`` : 'the handler is of shape commands'

const block = ({ device }: Opened, byte: number): Uint8Array => new Uint8Array(device.blockSize).fill(byte)

async function reads(opened: Opened, lba: number, byte: number, what: string): Promise<void> {
  const { data } = expectGood(await opened.initiator.read({ lba, blocks: 1 }))
  const wrong = data.find((b) => b !== byte)
  if (wrong !== undefined) broken(`${what}: block ${lba} reads ${wrong}, not ${byte}`)
}

export const unmaps: HandlerPromise = {
  name: 'unmaps what it is told to and nothing else',
  scope: '`unmap`',
  applies: has('unmap'),
  async check(subject) {
    const opened = await subject.open()
    const { device, initiator } = opened
    if (device.abilities.unmap === 'none') return
    const n = Math.max(1, device.limits.unmapGranularity)
    const span = Math.min(3 * n, device.blocks)
    if (span < 3 * n) return
    expectGood(await initiator.write(0, new Uint8Array(span * device.blockSize).fill(0xee)))
    expectGood(await initiator.unmap([{ lba: n, blocks: n }]))
    await reads(opened, n - 1, 0xee, 'before an unmapped range')
    await reads(opened, 2 * n, 0xee, 'behind an unmapped range')
    if (device.unmappedReadsZero) await reads(opened, n, 0, 'the handler declares unmappedReadsZero, yet after UNMAP')
    expectGood(await initiator.write(n, block(opened, 0x11)))
    await reads(opened, n, 0x11, 'written after UNMAP')
  },
}

export const repeatsBlocks: HandlerPromise = {
  name: 'writes one block over a range',
  scope: '`writeSame`',
  applies: has('writeSame'),
  async check(subject) {
    const opened = await subject.open()
    const { initiator } = opened
    expectGood(await initiator.write(0, new Uint8Array(5 * opened.device.blockSize).fill(0xaa)))
    for (const byte of [0x42, 0]) {
      expectGood(await initiator.writeSame({ lba: 1, blocks: 3 }, block(opened, byte)))
      for (const lba of [1, 2, 3]) await reads(opened, lba, byte, 'after WRITE SAME')
      for (const lba of [0, 4]) await reads(opened, lba, 0xaa, 'outside of WRITE SAME')
    }
  },
}

export const comparesAndWrites: HandlerPromise = {
  name: 'compares before it writes',
  scope: '`compareAndWrite`',
  applies: has('compareAndWrite'),
  async check(subject) {
    const opened = await subject.open()
    const { initiator } = opened
    const pair = (a: number, b: number): Uint8Array => Buffer.concat([block(opened, a), block(opened, b)])
    expectGood(await initiator.write(0, block(opened, 1)))
    expectGood(await initiator.compareAndWrite(0, pair(1, 2)))
    await reads(opened, 0, 2, 'after COMPARE AND WRITE')
    expectMiscompare(await initiator.compareAndWrite(0, pair(1, 3)))
    await reads(opened, 0, 2, 'after a COMPARE AND WRITE that did not compare')
    const answers = await Promise.all(Array.from({ length: 8 }, (_, i) => initiator.compareAndWrite(0, pair(2, 10 + i))))
    const won = answers.filter((a) => a.status === 0).length
    if (won !== 1) broken(`of 8 COMPARE AND WRITE commands at a time, ${won} found the same old block: it has to be one`)
  },
}

export const flushes: HandlerPromise = {
  name: 'answers a flush when nothing and when much was written',
  scope: '`flush`',
  applies: has('flush'),
  async check(subject) {
    const { device, initiator } = await subject.open()
    expectGood(await initiator.synchronizeCache())
    const data = new Uint8Array(device.blockSize)
    const work = Array.from({ length: 16 }, (_, i) => [initiator.write(i % device.blocks, data), initiator.synchronizeCache()]).flat()
    for (const answer of await Promise.all(work)) expectGood(answer)
  },
}

export const tellsExtents: HandlerPromise = {
  name: 'tells which parts have storage, in order and without gaps',
  scope: '`extents`',
  applies: has('extents'),
  async check(subject) {
    const { device, initiator } = await subject.open()
    if (device.abilities.extents === 'none') return
    const { blockSize, blocks } = device
    expectGood(await initiator.write(0, new Uint8Array(blockSize).fill(1)))
    const length = blocks * blockSize
    const extents = await device.ops.extents!({ offset: 0, length, signal: new AbortController().signal })
    let at = 0
    for (const e of extents) {
      if (e.offset > at) broken(`extents leave out bytes ${at} to ${e.offset}`)
      at = Math.max(at, e.offset + e.length)
    }
    if (at < length) broken(`extents end at byte ${at} of ${length}`)
    const first = extents.find((e) => e.offset <= 0 && e.offset + e.length > 0)
    if (first?.state !== 'mapped') broken(`block 0 was written and is ${first?.state ?? 'nowhere'}, not mapped`)
  },
}

const isBytes = (n: unknown): boolean => typeof n === 'number' && Number.isFinite(n) && n >= 0

export const tellsSpace: HandlerPromise = {
  name: 'says how much storage it uses and how much is left',
  scope: '`space`',
  applies: has('space'),
  async check(subject) {
    const { device, initiator } = await subject.open()
    if (device.abilities.space === 'none') return
    const ask = async (): Promise<Partial<Space> | undefined> => subject.within(Promise.resolve(device.ops.space!()), 'space')
    const before = await ask()
    if (!isBytes(before?.used) || !isBytes(before?.available)) broken(`space() gave ${JSON.stringify(before)}, not { used, available } in bytes`)
    const length = Math.min(device.blocks * device.blockSize, MOST_FILLED)
    // Random, as some file systems keep other data in less room.
    expectGood(await initiator.write(0, new Random(SEED).bytes(length)))
    expectGood(await initiator.synchronizeCache())
    const used = (await ask())!.used!
    if (used < before!.used! || used < length) broken(`${length} bytes were written, and space() says that ${used} are used`)
  },
}

/** Operation codes that REPORT SUPPORTED OPERATION CODES told of. */
function told(list: Uint8Array): ReadonlySet<number> {
  const codes = new Set<number>()
  for (let at = AllCommandsHeader.size; at + CommandDescriptor.size <= list.length; at += CommandDescriptor.size) codes.add(CommandDescriptor.decode(list, at).opcode)
  return codes
}

export const advertisesTruly: HandlerPromise = {
  name: 'shows initiators what it can do and no more',
  scope: 'blocks',
  applies: movesBlocks,
  async check(subject) {
    const { device, initiator } = await subject.open()
    const answer = await initiator.send(cdb.reportOpcodes(), { dataIn: 4096 })
    expectGood(answer)
    const can = device.abilities.unmap !== 'none'
    if (told(answer.data).has(op.UNMAP) !== can) broken(`UNMAP is ${can ? 'not ' : ''}among the commands, though the device ${can ? 'can' : 'cannot'} unmap`)
    const page = await initiator.vpd(PROVISIONING)
    const lbpu = page.status === 0 && ProvisioningPage.decode(page.data, VpdHeader.size).lbpu === 1
    if (lbpu !== can) broken(`VPD page B2h says LBPU=${lbpu ? 1 : 0}, though the device ${can ? 'can' : 'cannot'} unmap`)
  },
}

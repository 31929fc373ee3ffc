import { randomInt } from 'node:crypto'
import { cdb } from '../../packages/host/src/testing/cdb'
import { type Answer, type Initiator, samStatus } from './initiator'
import { senseOf } from './initiator/sense'

const BLOCK = 512
/** Blocks of one slot: what one command at a time works on. */
const SLOT = 128

/** Blocks [from, from + count) hold `stamp`, repeated; stamp 0 is zeroes. */
interface Slot { stamp: number; busy: boolean }

export interface LoadResult {
  readonly commands: number
  readonly bytes: number
  readonly byKind: Readonly<Record<string, number>>
}

const filled = (bytes: number, lba: number, stamp: number): Buffer => {
  const piece = Buffer.alloc(8)
  if (stamp) {
    piece.writeUInt32BE(lba, 0)
    piece.writeUInt32BE(stamp, 4)
  }
  return Buffer.alloc(bytes, piece)
}

/**
 * Keep `depth` commands of all kinds under way on one session, each slot of the LUN used by one command at a time, and
 * check every byte that is read against what was last written.
 */
export class Load {
  private readonly slots: Slot[]
  private commands = 0
  private bytes = 0
  private readonly kinds: Record<string, number> = {}
  private stamp = 0

  constructor(private readonly session: Initiator, private readonly firstLba: number, slots: number, private readonly lun = 0) {
    this.slots = Array.from({ length: slots }, () => ({ stamp: -1, busy: false }))
  }

  /** Rejects with the first wrong status or byte. */
  async run(depth: number, until: () => boolean): Promise<LoadResult> {
    const worker = async (): Promise<void> => {
      while (!until()) await this.one()
    }
    await Promise.all(Array.from({ length: depth }, worker))
    await this.verifyAll()
    return { commands: this.commands, bytes: this.bytes, byKind: this.kinds }
  }

  private async one(): Promise<void> {
    let index = randomInt(this.slots.length)
    while (this.slots[index]!.busy) index = (index + 1) % this.slots.length
    const slot = this.slots[index]!
    slot.busy = true
    try {
      await this.work(slot, this.firstLba + index * SLOT)
    } finally {
      slot.busy = false
    }
  }

  private async work(slot: Slot, lba: number): Promise<void> {
    const dice = slot.stamp < 0 ? 0 : randomInt(100)
    if (dice < 45) await this.write(slot, lba)
    else if (dice < 90) await this.read(slot, lba)
    else if (dice < 94) await this.zero(slot, lba)
    else if (dice < 97) await this.expect('flush', this.session.command({ cdb: cdb.synchronizeCache10(), lun: this.lun }))
    else if (dice < 99) await this.swap(slot, lba)
    else await this.expect('ready', this.session.command({ cdb: cdb.testUnitReady(), lun: this.lun }))
  }

  private async write(slot: Slot, lba: number): Promise<void> {
    const stamp = (this.stamp = (this.stamp % 0xfffffff) + 1)
    const fua = randomInt(50) === 0
    await this.expect('write', this.session.command({ cdb: cdb.write16({ lba, blocks: SLOT, fua }), out: filled(SLOT * BLOCK, lba, stamp), lun: this.lun }))
    slot.stamp = stamp
    this.bytes += SLOT * BLOCK
  }

  /** A part of the slot, at any block and of any length. */
  private async read(slot: Slot, lba: number): Promise<void> {
    const from = randomInt(SLOT)
    const blocks = 1 + randomInt(SLOT - from)
    const room = blocks * BLOCK
    const { data } = await this.expect('read', this.session.command({ cdb: cdb.read10({ lba: lba + from, blocks }), in: room, lun: this.lun }))
    this.bytes += room
    this.compare(data, room, lba, slot.stamp)
  }

  private async zero(slot: Slot, lba: number): Promise<void> {
    await this.expect('write same', this.session.command({ cdb: cdb.writeSame16({ lba, blocks: SLOT, unmap: randomInt(2) }), out: Buffer.alloc(BLOCK), lun: this.lun }))
    slot.stamp = 0
  }

  /** COMPARE AND WRITE of one block with what is there already. */
  private async swap(slot: Slot, lba: number): Promise<void> {
    const block = filled(BLOCK, lba, slot.stamp)
    await this.expect('compare and write', this.session.command({ cdb: cdb.compareAndWrite({ lba, blocks: 1 }), out: Buffer.concat([block, block]), lun: this.lun }))
  }

  private compare(data: Buffer, bytes: number, lba: number, stamp: number): void {
    const wanted = filled(bytes, lba, stamp)
    if (data.equals(wanted)) return
    const at = data.findIndex((v, i) => v !== wanted[i])
    throw new Error(`block ${lba}, byte ${at} of ${data.length} (${bytes} asked for): found ${data.subarray(at, at + 8).toString('hex')}, written ${wanted.subarray(at, at + 8).toString('hex')}`)
  }

  private async expect(kind: string, answer: Promise<Answer>): Promise<Answer> {
    const got = await answer
    this.commands++
    this.kinds[kind] = (this.kinds[kind] ?? 0) + 1
    if (got.status !== samStatus.good) throw new Error(`${kind} ended with status ${got.status.toString(16)}h, sense ${senseOf(got) || 'none'}`)
    return got
  }

  private async verifyAll(): Promise<void> {
    for (const [index, slot] of this.slots.entries()) {
      if (slot.stamp < 0) continue
      const lba = this.firstLba + index * SLOT
      const { data } = await this.expect('read', this.session.command({ cdb: cdb.read10({ lba, blocks: SLOT }), in: SLOT * BLOCK, lun: this.lun }))
      this.compare(data, SLOT * BLOCK, lba, slot.stamp)
    }
  }
}

/** Slots that fit into a LUN of so many bytes. */
export const slotsIn = (bytes: number): number => Math.floor(bytes / (SLOT * BLOCK))

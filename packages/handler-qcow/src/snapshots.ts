import type { IoFile } from '@tcmu/host/handler'
import { readBytes } from './disk'
import { Entry, SnapshotExtra, SnapshotRecord, text } from './format'
import type { ImageHeader } from './header'
import { refuse } from './refuse'

/** QEMU's bounds: extra data of a snapshot, and the table as a whole. */
const MAX_EXTRA = 1024
const MAX_TABLE = 64 * 2 ** 20
const MAX_L1_BYTES = 32 * 2 ** 20

/** An internal snapshot. */
export interface Snapshot {
  readonly id: string
  readonly name: string
  /** When it was made. */
  readonly seconds: number
  readonly stateBytes: number
  /** Of the disk, when the record says so. */
  readonly diskBytes: number | undefined
  readonly l1Offset: number
  readonly l1Entries: number
}

interface Parsed {
  readonly snapshot: Snapshot
  /** Where the next record begins. */
  readonly next: number
}

const atEight = (n: number): number => Math.ceil(n / 8) * 8

/** The record at `at`, or how many bytes of the table have to be there. */
function record(bytes: Uint8Array, at: number): Parsed | number {
  if (at + SnapshotRecord.size > bytes.length) return at + SnapshotRecord.size
  const r = SnapshotRecord.decode(bytes, at)
  const id = at + SnapshotRecord.size + Math.min(r.extraLength, MAX_EXTRA + 1)
  const name = id + r.idLength
  const next = atEight(name + r.nameLength)
  if (next > bytes.length) return next
  const extra = r.extraLength >= SnapshotExtra.size ? SnapshotExtra.decode(bytes, at + SnapshotRecord.size) : undefined
  const snapshot = {
    id: text(bytes.subarray(id, name)), name: text(bytes.subarray(name, name + r.nameLength)), seconds: r.seconds,
    stateBytes: extra?.stateSize ?? r.stateSize, diskBytes: extra?.diskSize, l1Offset: r.l1Offset, l1Entries: r.l1Entries,
  }
  if (r.extraLength > MAX_EXTRA) throw new Error(`a snapshot has ${r.extraLength} bytes of extra data`)
  return { snapshot, next }
}

/** The snapshots of an image, and how many bytes their table has. Throws E_QCOW_HEADER when they cannot be made out. */
export async function readSnapshots(file: IoFile, header: ImageHeader, fileEnd: number): Promise<{ snapshots: Snapshot[]; bytes: number }> {
  const { count, offset } = header.snapshots
  const snapshots: Snapshot[] = []
  const wrong = (reason: string): Error => refuse('E_QCOW_HEADER', { path: file.path, reason: `its snapshot table: ${reason}` })
  let table = new Uint8Array(0)
  let at = 0
  while (snapshots.length < count) {
    let parsed: Parsed | number
    try {
      parsed = record(table, at)
    } catch (error) {
      throw wrong((error as Error).message)
    }
    if (typeof parsed === 'number') {
      if (parsed > MAX_TABLE || offset + parsed > fileEnd) throw wrong('it is not inside the file')
      table = Uint8Array.from(await readBytes(file, offset, Math.min(MAX_TABLE, Math.max(parsed, table.length * 2, 4096))))
      continue
    }
    const { l1Offset, l1Entries } = parsed.snapshot
    const fine = Number.isSafeInteger(l1Offset) && l1Offset % header.clusterSize === 0 && l1Entries * Entry.size <= MAX_L1_BYTES && l1Offset + l1Entries * Entry.size <= fileEnd
    if (!fine) throw wrong(`snapshot ${parsed.snapshot.id} has its tables outside the file`)
    snapshots.push(parsed.snapshot)
    at = parsed.next
  }
  return { snapshots, bytes: at }
}

import { constants } from 'node:os'
import { IoOp } from '../platform/native'
import type { Extent } from '../scsi'

/** More pieces than this are not told apart: what follows them counts as mapped. */
const MAX_PIECES = 4096
const { ENXIO } = constants.errno

/** Position of the next data or hole at or after `at`, or a negative errno. */
export type Seek = (op: number, at: number) => Promise<number>

/** How pieces are told apart, and what those are that are no data. */
interface Kind {
  readonly data: number
  readonly hole: number
  readonly without: Extent['state']
}
/** With and without storage. */
export const byStorage: Kind = { data: IoOp.SEEK_DATA, hole: IoOp.SEEK_HOLE, without: 'deallocated' }
/** Written and not, in a file all of whose storage is reserved. */
export const byWritten: Kind = { data: IoOp.SEEK_WRITTEN, hole: IoOp.SEEK_UNWRITTEN, without: 'anchored' }

/**
 * The pieces of [offset, offset+length) of either kind, in order and without gaps. Where the file system cannot tell,
 * everything is mapped.
 */
export async function extents(seek: Seek, offset: number, length: number, kind = byStorage): Promise<readonly Extent[]> {
  const end = offset + length
  const pieces: Extent[] = []
  let at = offset
  const piece = (to: number, state: Extent['state']): void => {
    const until = Math.min(to, end)
    if (until > at) pieces.push({ offset: at, length: until - at, state })
    at = Math.max(at, until)
  }
  while (at < end && pieces.length < MAX_PIECES) {
    const data = await seek(kind.data, at)
    if (data === -ENXIO) piece(end, kind.without)
    else if (data < 0) break
    else piece(data, kind.without)
    if (at >= end) break
    const hole = await seek(kind.hole, at)
    // Data may have gone since: look again from the same place.
    if (hole === at) continue
    piece(hole < 0 ? end : hole, 'mapped')
  }
  piece(end, 'mapped')
  return pieces
}

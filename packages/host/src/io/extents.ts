import { constants } from 'node:os'
import { IoOp } from '../platform/native'
import type { Extent } from '../scsi'

/** More pieces than this are not told apart: what follows them counts as mapped. */
const MAX_PIECES = 4096
const { ENXIO } = constants.errno

/** Position of the next data or hole at or after `at`, or a negative errno. */
export type Seek = (op: number, at: number) => Promise<number>

/**
 * The pieces of [offset, offset+length) with and without storage, in order and without gaps. Where the file system
 * cannot tell, everything is mapped.
 */
export async function extents(seek: Seek, offset: number, length: number): Promise<readonly Extent[]> {
  const end = offset + length
  const pieces: Extent[] = []
  let at = offset
  const piece = (to: number, state: Extent['state']): void => {
    const until = Math.min(to, end)
    if (until > at) pieces.push({ offset: at, length: until - at, state })
    at = Math.max(at, until)
  }
  while (at < end && pieces.length < MAX_PIECES) {
    const data = await seek(IoOp.SEEK_DATA, at)
    if (data === -ENXIO) piece(end, 'deallocated')
    else if (data < 0) break
    else piece(data, 'deallocated')
    if (at >= end) break
    const hole = await seek(IoOp.SEEK_HOLE, at)
    // Data may have gone since: look again from the same place.
    if (hole === at) continue
    piece(hole < 0 ? end : hole, 'mapped')
  }
  piece(end, 'mapped')
  return pieces
}

import { getSystemErrorMap } from 'node:util'
import { IoOp } from '../platform/native'

const names = Object.fromEntries(Object.entries({
  READV: 'read', WRITEV: 'write', SYNC: 'fsync', DATA_SYNC: 'fdatasync', ALLOCATE: 'fallocate', PUNCH: 'punch hole', ZERO: 'zero range',
  SEEK_DATA: 'seek', SEEK_HOLE: 'seek', SEEK_WRITTEN: 'map', SEEK_UNWRITTEN: 'map', SIZE: 'size', TRUNCATE: 'truncate', CLOSE: 'close',
  WRITE_SAME: 'write same', COMPARE_AND_WRITE: 'compare and write',
} satisfies Record<keyof typeof IoOp, string>).map(([op, name]) => [IoOp[op as keyof typeof IoOp], name]))

/** The error of a failed operation, as Node's fs makes them: `code` is the errno name. `errno` is positive. */
export function ioError(errno: number, op: number, path: string): NodeJS.ErrnoException {
  const [code, text] = getSystemErrorMap().get(-errno) ?? [`E${errno}`, `error ${errno}`]
  const syscall = names[op] ?? `operation ${op}`
  return Object.assign(new Error(`${code}: ${text}, ${syscall} '${path}'`), { code, errno: -errno, syscall, path })
}

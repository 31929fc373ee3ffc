import { closeSync, constants, fstatSync, openSync, readSync } from 'node:fs'

/** AES-128-XTS and AES-256-XTS take two keys each (IEEE 1619). */
export const algorithms: ReadonlyMap<number, string> = new Map([[32, 'aes-128-xts'], [64, 'aes-256-xts']])
const GROUP_OR_OTHERS = 0o077
/** 64 bytes as digits, and a line end. */
const LONGEST = 130

/** What is in a regular file that nobody but its owner may touch. Waits for no pipe. Throws in words. */
function readPrivate(file: string): Buffer {
  const fd = openSync(file, constants.O_RDONLY | constants.O_NONBLOCK)
  try {
    const stat = fstatSync(fd)
    if (!stat.isFile()) throw new Error(`the key file ${file} is no regular file`)
    if (stat.mode & GROUP_OR_OTHERS) throw new Error(`the key file ${file} can be read or changed by others (mode ${(stat.mode & 0o777).toString(8)}); chmod 600 ${file}`)
    const bytes = Buffer.alloc(LONGEST + 1)
    return bytes.subarray(0, readSync(fd, bytes, 0, bytes.length, 0))
  } finally {
    closeSync(fd)
  }
}

/** A key of one of `algorithms`, as bytes or in hexadecimal digits. Throws in words, or an error with an errno `code`. */
export function readKey(file: string): Buffer {
  const bytes = readPrivate(file)
  const digits = bytes.toString('latin1').trim()
  const key = /^(?:[0-9a-fA-F]{64}){1,2}$/.test(digits) ? Buffer.from(digits, 'hex') : bytes
  if (!algorithms.has(key.length)) throw new Error(`the key file ${file} holds ${key.length > LONGEST ? 'more' : key.length} bytes; a key has 32 or 64, or as many in hexadecimal digits`)
  const half = key.length / 2
  if (key.subarray(0, half).equals(key.subarray(half))) throw new Error(`the key file ${file}: the two halves of the key are the same, which XTS forbids`)
  return key
}

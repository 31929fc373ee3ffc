import { closeSync, constants, fstatSync, openSync, readSync } from 'node:fs'

/** A whole regular file as text, or what is wrong with it. Does not wait on pipes and devices, and reads at most `most` bytes. */
export function readBounded(path: string, most: number): { text: string; mode: number } | { wanted: string; found: string } {
  const fd = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK)
  try {
    const stat = fstatSync(fd)
    if (!stat.isFile()) return { wanted: 'a regular file', found: stat.isDirectory() ? 'a folder' : 'a special file' }
    if (stat.size > most) return { wanted: `at most ${most} bytes`, found: `${stat.size} bytes` }
    const bytes = Buffer.alloc(stat.size)
    let n = 0
    for (let got = -1; n < bytes.length && got !== 0; n += got) got = readSync(fd, bytes, n, bytes.length - n, n)
    return { text: bytes.toString('utf8', 0, n), mode: stat.mode }
  } finally {
    closeSync(fd)
  }
}

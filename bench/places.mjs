// Where benches put things.
import { statfsSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'

const ROOM = 4 * 2 ** 30

/** A file system in memory where one with room is there. */
export function memoryFolder() {
  const { bavail, bsize } = statfsSync('/dev/shm')
  return bavail * bsize > ROOM ? '/dev/shm' : tmpdir()
}

export const freePort = () => new Promise((resolve, reject) => {
  const server = createServer().once('error', reject).listen(0, '127.0.0.1', () => {
    const { port } = server.address()
    server.close(() => resolve(port))
  })
})

// Where benches put things, and that nothing of it stays when they are interrupted.
import { mkdtempSync, rmSync, statfsSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

const ROOM = 4 * 2 ** 30

/** A file system in memory where one with room is there. */
export function memoryFolder() {
  const { bavail, bsize } = statfsSync('/dev/shm')
  return bavail * bsize > ROOM ? '/dev/shm' : tmpdir()
}

const works = []
process.once('exit', () => works.forEach((work) => work()))
/** What is done when the process ends; it may have been done before. */
export const atExit = (work) => void works.push(work)

/** Removed when the process ends, if not before. */
export function temporaryFolder(parent = tmpdir()) {
  const folder = mkdtempSync(join(parent, 'tcmu-bench-'))
  atExit(() => rmSync(folder, { recursive: true, force: true }))
  return folder
}

export const freePort = () => new Promise((resolve, reject) => {
  const server = createServer().once('error', reject).listen(0, '127.0.0.1', () => {
    const { port } = server.address()
    server.close(() => resolve(port))
  })
})

import { type BlockIo, defineHandler, type DeviceInfo, type HandlerIo, type IoFile, Status } from '@tcmu/host/handler'

const CHUNK = 1024 * 1024

interface Disk {
  readonly folder: string
  readonly io: HandlerIo
  readonly files: Map<number, Promise<IoFile>>
}

/** The file of a chunk, opened when it is first needed. */
function fileOf(disk: Disk, chunk: number): Promise<IoFile> {
  const known = disk.files.get(chunk)
  if (known) return known
  const opening = disk.io.open(`${disk.folder}/${chunk.toString(16).padStart(8, '0')}`, { create: true })
  disk.files.set(chunk, opening)
  opening.catch(() => disk.files.delete(chunk))
  return opening
}

async function eachChunk(disk: Disk, io: BlockIo, move: (file: IoFile, done: number, length: number, from: number) => Status | Promise<Status>): Promise<Status> {
  for (let done = 0; done < io.length; ) {
    const from = (io.offset + done) % CHUNK
    const length = Math.min(io.length - done, CHUNK - from)
    const status = await move(await fileOf(disk, Math.floor((io.offset + done) / CHUNK)), done, length, from)
    if (status !== Status.OK) return status
    done += length
  }
  return Status.OK
}

export default defineHandler({
  subtype: 'chunks',
  summary: 'a disk in files of 1 MiB',
  checkConfig: (folder) => folder.startsWith('/') || 'the folder must be absolute, as in chunks//srv/disk',

  open: (dev: DeviceInfo): Disk => ({ folder: dev.config, io: dev.io, files: new Map() }),
  async close(disk) {
    for (const file of disk.files.values()) await (await file).close()
  },

  read: (disk, io) => eachChunk(disk, io, (file, done, length, from) => file.readv(io.data.slice(done, length), from)),
  write: (disk, io) => eachChunk(disk, io, (file, done, length, from) => file.writev(io.data.slice(done, length), from)),
  async flush(disk) {
    for (const file of disk.files.values()) await (await file).sync()
  },
})

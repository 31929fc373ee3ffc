import { type DeviceInfo, type HandlerIo, type IoFile, type OpenFile, Status } from '@tcmu/host/handler'
import { type Nexus, type Segments } from '@tcmu/host/scsi'
import { type Initiator, initiatorOf, LogLines, type ScsiAnswer, testDevice } from '@tcmu/host/testing'
import handler from '..'
import { BLOCK } from '../medium'

/** Every byte says which block and which image it is of. */
export function image(blocks: number, seed = 1, more = 0): Buffer {
  const bytes = Buffer.alloc(blocks * BLOCK + more)
  for (let i = 0; i < bytes.length; i++) bytes[i] = (seed * 89 + (i >> 11) * 7 + i * 13) & 0xff || 1
  return bytes
}

/** Images in memory, for drives that believe they are files. */
export class Shelf implements HandlerIo {
  readonly images = new Map<string, Buffer>()
  /** Files open now, by path. */
  readonly opened: string[] = []
  /** While set, opening waits for it. */
  gate: Promise<void> | undefined
  /** errno of every read. */
  failing: string | undefined
  /** Reported size, for discs that nobody has the memory for. */
  readonly sizes = new Map<string, number>()

  async open(path: string, options?: OpenFile): Promise<IoFile> {
    if (!options?.readOnly) throw new Error('a disc was opened for writing')
    await this.gate
    if (!this.images.has(path)) throw Object.assign(new Error(`ENOENT: no such file or directory, open '${path}'`), { code: 'ENOENT' })
    this.opened.push(path)
    const size = (): number => this.sizes.get(path) ?? this.images.get(path)!.length
    const close = (): void => void this.opened.splice(this.opened.indexOf(path), 1)
    return new MemoryFile(path, this, size, close) as unknown as IoFile
  }
}

class MemoryFile {
  size: number
  private closed = false
  constructor(readonly path: string, private readonly shelf: Shelf, private readonly now: () => number, private readonly onClose: () => void) {
    this.size = now()
  }
  async readv(data: Segments, offset: number): Promise<Status> {
    if (this.closed) throw Object.assign(new Error('EBADF: read'), { code: 'EBADF' })
    if (this.shelf.failing) throw Object.assign(new Error(`${this.shelf.failing}: read`), { code: this.shelf.failing })
    await Promise.resolve()
    const bytes = this.shelf.images.get(this.path)!
    data.zero()
    data.set(bytes.subarray(offset, offset + data.length))
    return Status.OK
  }
  async refresh(): Promise<number> {
    return (this.size = this.now())
  }
  async close(): Promise<void> {
    if (!this.closed) this.onClose()
    this.closed = true
  }
}

export const nexus = (name: string): Nexus => ({ name })

/** A drive behind a device, and an initiator that has used it before. */
export class DriveBench {
  readonly log = new LogLines()
  constructor(readonly shelf = new Shelf()) {}
  device!: Awaited<ReturnType<typeof testDevice>>
  initiator!: Initiator
  readonly nexus = nexus('initiator')

  /** `config` is the cfgstring without `fbo/`. */
  async open(config: string, options: Partial<DeviceInfo> = {}): Promise<this> {
    this.device = await testDevice(handler, { io: this.shelf, log: this.log, config, sizeBytes: 0, blockSize: 512, serial: 'a1b2', ...options } as never)
    this.initiator = initiatorOf(this.device, { nexus: this.nexus })
    await this.command([0x4a, 1, 0, 0, 0x12, 0, 0, 0, 8, 0], 8)
    return this
  }

  command(cdb: readonly number[] | Uint8Array, dataIn = 0, dataOut?: Uint8Array): Promise<ScsiAnswer> {
    return this.initiator.send(Uint8Array.from(cdb), dataOut ? { dataOut } : dataIn ? { dataIn } : {})
  }

  /** Another initiator, known to the drive. */
  async another(name: string): Promise<Initiator> {
    const other = initiatorOf(this.device, { nexus: nexus(name) })
    await other.testUnitReady()
    return other
  }

  close(): Promise<void> {
    return this.device.close(1000)
  }
}

/** A drive with `/a.iso` of so many blocks in it. */
export async function drive(blocks = 100, more = 0): Promise<DriveBench> {
  const b = new DriveBench()
  b.shelf.images.set('/a.iso', image(blocks, 1, more))
  return b.open('/a.iso')
}

/** A drive with a disc that is said to have so many blocks, and has one. */
export async function largeDrive(blocks: number): Promise<DriveBench> {
  const b = new DriveBench()
  b.shelf.images.set('/a.iso', image(1))
  b.shelf.sizes.set('/a.iso', blocks * BLOCK)
  return b.open('/a.iso')
}

/** Bytes written as hexadecimal digits, blanks between them as wanted. */
export const hex = (text: string): Buffer => Buffer.from(text.replace(/\s/g, ''), 'hex')

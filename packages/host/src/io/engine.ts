import { constants } from 'node:os'
import type { HandlerIo, ImageAnswer, IoFile, IoImage, IoLibrary, OpenFile } from '../handler/types'
import { checkLibrary, Coalescing, IoOp, loadNative, type NativeCore, type NativeSession } from '../platform/native'
import { tcmuError } from '../errors'
import type { DataArea } from '../wire'
import { describeBackend, type IoEngineChoice, uringRefusal } from './backend'
import { mediumFacts } from './facts'
import { EngineFile } from './file'
import { EngineImage } from './image'
import { ioError } from './io-error'
import { openDescriptor, type Opened } from './open'
import { Submissions } from './submissions'

/** As many operations as may wait for a disk at once; cached 4 KiB writes are no faster with more. */
const THREADS = 8

export interface IoEngineOptions {
  /** Threads for what cannot be done at once. Default 8. */
  readonly threads?: number
  /** Default `auto`. */
  readonly engine?: IoEngineChoice
  /** For tests: the errno (positive) that io_uring's set-up is taken to fail with. */
  readonly uringRefusal?: number
  /** Default: the addon of this installation. */
  readonly native?: NativeCore
}

/** File I/O of one thread of JavaScript. */
export interface IoEngine extends HandlerIo {
  /**
   * Rejects with E_FILE_PATH, E_FILE_KIND, E_FILE_FOLDER, E_FILE_LOCKED or E_FILE_DIRECT; with an errno error for anything else. The
   * message names the path.
   */
  open(path: string, options?: OpenFile): Promise<IoFile>
  /** Start what was asked for since the last time. Happens by itself as a microtask. */
  submit(): void
  /** Forget memory that will not be used again, before it is unmapped. */
  release(area: DataArea): void
  /** `io_uring`, or `threads` and why. */
  readonly about: string
  /** Operations under way. */
  readonly inFlight: number
  /** Waits for what is under way, then closes every file. */
  close(): Promise<void>
}

/** Find out what a file is like. Its slot is given back when that fails. */
async function describe(submissions: Submissions, slot: number, path: string, { stat, alignment }: Opened, readOnly: boolean): Promise<EngineFile> {
  const blockDevice = stat.isBlockDevice()
  try {
    const [size, medium] = await Promise.all([submissions.command(IoOp.SIZE, slot, path), mediumFacts(stat)])
    const granularity = blockDevice ? (medium.discardGranularity ?? medium.logicalBlock ?? stat.blksize) : stat.blksize
    // Beyond the end of a file there is nothing to lose; a device has nothing there to try.
    const beyond = (Math.ceil(size / granularity) + 1) * granularity
    const canPunch = !readOnly && (blockDevice
      ? medium.writesZeroes && medium.discardGranularity !== undefined
      : (await submissions.command(IoOp.PUNCH, slot, path, beyond, granularity, true)) === 0)
    return new EngineFile(submissions, slot, { path, size, readOnly, blockDevice, granularity, alignment, canPunch, rotational: medium.rotational })
  } catch (error) {
    await submissions.command(IoOp.CLOSE, slot, path)
    throw error
  }
}

class Engine implements IoEngine {
  readonly about: string
  private readonly submissions: Submissions
  /** One engine for each storage library. */
  private readonly libraries = new Map<IoLibrary, Submissions<NativeSession>>()
  private readonly files = new Set<EngineFile>()
  private closing: Promise<void> | undefined = undefined

  constructor(private readonly core: NativeCore, { threads = THREADS, engine = 'auto', uringRefusal: refusal = 0 }: IoEngineOptions) {
    this.submissions = new Submissions((table, onDone) => new core.IoEngine(table, onDone, core.memory, Coalescing.NEVER, threads, engine !== 'threads', refusal))
    const { uringError } = this.submissions
    this.about = describeBackend(uringError)
    if (engine !== 'uring' || uringError === 0) return
    void this.submissions.close()
    throw tcmuError('E_IO_ENGINE', { reason: uringRefusal(uringError) })
  }

  get inFlight(): number {
    return this.all.reduce((sum, s) => sum + s.inFlight, 0)
  }

  async open(path: string, options: OpenFile = {}): Promise<IoFile> {
    this.checkOpen(path)
    const opened = await openDescriptor(this.core, path, options)
    const { handle } = opened
    try {
      this.checkOpen(path)
      const file = await describe(this.submissions, this.submissions.addFile(handle.fd), path, opened, options.readOnly === true)
      this.files.add(file)
      file.onClosed = () => void this.files.delete(file)
      return file
    } finally {
      await handle.close()
    }
  }

  image(library: IoLibrary, session: object, name: string, answer: ImageAnswer): IoImage {
    this.checkOpen(name)
    const native = checkLibrary(library)
    let submissions = this.libraries.get(library)
    if (!submissions) {
      submissions = new Submissions((table, onDone) => new native.IoEngine(table, onDone, this.core.memory, Coalescing.WHERE_SCARCE))
      this.libraries.set(library, submissions)
    }
    return new EngineImage(submissions, submissions.addFile(session as NativeSession), name, answer)
  }

  private get all(): readonly Submissions<never>[] {
    return [this.submissions, ...this.libraries.values()]
  }

  private checkOpen(path: string): void {
    if (this.closing) throw ioError(constants.errno.EBADF, IoOp.SIZE, path)
  }

  submit(): void {
    this.submissions.submit()
    for (const submissions of this.libraries.values()) submissions.submit()
  }

  release(area: DataArea): void {
    for (const submissions of this.all) submissions.release(area)
  }

  close(): Promise<void> {
    this.closing ??= Promise.allSettled([...this.files].map((f) => f.close())).then(() => Promise.all(this.all.map((s) => s.close()))).then(() => undefined)
    return this.closing
  }
}

/** Throws E_ADDON_MISSING or E_ADDON_VERSION; E_IO_ENGINE where io_uring is insisted on and cannot be had. One per thread is enough; the files of all devices share it. */
export function createIoEngine(options: IoEngineOptions = {}): IoEngine {
  return new Engine(options.native ?? loadNative(), options)
}

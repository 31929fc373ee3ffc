import { closeSync, mkdtempSync, openSync, readFileSync, rmSync, statSync, writeFileSync, writeSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import handler from '@tcmu/handler-qcow'
import type { DeviceRuntime } from '../../packages/host/src/device'
import { createIoEngine, type IoEngine } from '../../packages/host/src/io'
import { type Initiator, initiatorOf, LogLines, testDevice, type TestDeviceOptions } from '../../packages/host/src/testing'
import { run, runOk } from '../lib/run'

export const BLOCK = 512
export const KiB = 1024
export const MiB = 2 ** 20

/** Numbers from a seed, the same on every machine. */
export class Dice {
  constructor(private state: number) {}
  /** An integer from 0 to n − 1. */
  below(n: number): number {
    this.state = (this.state + 0x6d2b79f5) | 0
    let t = Math.imul(this.state ^ (this.state >>> 15), 1 | this.state)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return ((t ^ (t >>> 14)) >>> 0) % n
  }
  bytes(length: number): Buffer {
    const b = Buffer.alloc(length)
    // Runs of one value compress; every block differs from its neighbours.
    for (let at = 0; at < length; at += 64) b.fill(1 + this.below(255), at, Math.min(length, at + 64))
    return b
  }
}

/** A served image: a device and an initiator on it. */
export interface Served {
  readonly device: DeviceRuntime
  readonly disk: Initiator
  readonly log: LogLines
  close(): Promise<void>
}

/** A folder and an I/O engine for the tests of a file. */
export class Images {
  readonly folder = mkdtempSync(join(process.env['TCMU_QCOW_FOLDER'] ?? tmpdir(), 'tcmu-qcow-'))
  readonly engine: IoEngine = createIoEngine()
  private count = 0

  path(name = `image-${this.count++}`): string {
    return join(this.folder, name)
  }

  async serve(path: string, options: TestDeviceOptions = {}): Promise<Served> {
    const log = new LogLines()
    const device = await testDevice(handler, { config: path, io: this.engine, sizeBytes: 0, log, ...options })
    return { device, disk: initiatorOf(device, { pieces: 7000 }), log, close: () => device.close(5000) }
  }

  /** qemu-img in this folder; it must end well. */
  async img(...args: string[]): Promise<string> {
    return (await runOk('qemu-img', args, { cwd: this.folder, timeoutMs: 120_000 })).text
  }

  async io(path: string, ...commands: string[]): Promise<string> {
    const ended = await runOk('qemu-io', [...commands.flatMap((c) => ['-c', c]), path], { cwd: this.folder })
    if (/failed|error/i.test(ended.text)) throw new Error(`qemu-io ${commands.join('; ')}: ${ended.text}`)
    return ended.text
  }

  /** What `qemu-img check` says: 0 sound, 2 damaged, 3 leaks. */
  async check(path: string): Promise<{ code: number | null; text: string }> {
    const { code, text } = await run('qemu-img', ['check', path], { timeoutMs: 120_000 })
    return { code, text }
  }

  /** Sound, and the disk holds `model`, as QEMU reads it. */
  async verify(path: string, format: string, model: Buffer): Promise<void> {
    if (format !== 'qcow') expect(await this.check(path)).toMatchObject({ code: 0 })
    const raw = this.path()
    writeFileSync(raw, model)
    const ended = await run('qemu-img', ['compare', '-f', format, '-F', 'raw', path, raw], { timeoutMs: 120_000 })
    rmSync(raw)
    expect(ended).toMatchObject({ code: 0 })
  }

  base(name: string, content: Buffer): string {
    const path = this.path(name)
    writeFileSync(path, content)
    return path
  }

  bytes(path: string): Buffer {
    return readFileSync(path)
  }

  /** A new qcow2 image of 8 MiB. */
  async make(...options: string[]): Promise<string> {
    const path = this.path()
    await this.img('create', '-q', '-f', 'qcow2', ...options, path, '8M')
    return path
  }

  async info(path: string): Promise<Record<string, never>> {
    return JSON.parse(await this.img('info', '--output=json', path)) as Record<string, never>
  }

  size(path: string): number {
    return statSync(path).size
  }

  async close(): Promise<void> {
    await this.engine.close()
    rmSync(this.folder, { recursive: true, force: true })
  }
}

export function images(): Images {
  const it = new Images()
  afterAll(() => it.close())
  return it
}

/** Bytes put into a file, as damage. */
export function poke(path: string, at: number, bytes: readonly number[]): void {
  const fd = openSync(path, 'r+')
  writeSync(fd, Uint8Array.from(bytes), 0, bytes.length, at)
  closeSync(fd)
}

export async function fill(s: Served, value: number, from: number, length: number): Promise<void> {
  expect(await s.disk.write(from / BLOCK, Buffer.alloc(length, value))).toMatchObject({ status: 0 })
}

export async function holds(s: Served, value: number, from: number, length: number): Promise<void> {
  const { data, status } = await s.disk.read({ lba: from / BLOCK, blocks: length / BLOCK })
  expect(status).toBe(0)
  expect(Buffer.from(data).every((b) => b === value)).toBe(true)
}

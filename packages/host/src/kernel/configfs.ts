import { constants, readFileSync } from 'node:fs'
import { open, readFile, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { tcmuError } from '../errors'
import type { UioName } from './device-config'
import type { KernelTimeouts } from './timeouts'

/** Where the kernel shows itself; other folders in tests. */
export interface Roots {
  readonly sys: string
  readonly dev: string
  readonly configfs: string
  readonly run: string
}
export const systemRoots: Roots = { sys: '/sys', dev: '/dev', configfs: '/sys/kernel/config', run: '/run' }

export const codeOf = (e: unknown): string | undefined => (e as { code?: string } | undefined)?.code

/** A file's text; undefined when there is none (older kernels lack attributes). Rejects with other errno errors. */
export async function readText(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8')
  } catch (e) {
    if (codeOf(e) === 'ENOENT' || codeOf(e) === 'ENODEV') return undefined
    throw e
  }
}

/** Give a value in one write, as configfs and sysfs want it; false when there is no such file. Never makes one. */
export async function writeValue(path: string, value: string): Promise<boolean> {
  let handle
  try {
    handle = await open(path, constants.O_WRONLY | constants.O_TRUNC)
  } catch (e) {
    if (codeOf(e) === 'ENOENT') return false
    throw e
  }
  try {
    await handle.write(Buffer.from(value, 'utf8'), 0, undefined, 0)
    return true
  } finally {
    await handle.close()
  }
}

export const exists = (path: string): Promise<boolean> => stat(path).then(() => true, () => false)

/** A parameter of target_core_user; false when the kernel has none of that name. */
export const setParameter = (roots: Roots, name: 'block_netlink' | 'reset_netlink', value: 0 | 1): Promise<boolean> =>
  writeValue(join(roots.sys, 'module/target_core_user/parameters', name), String(value))

/** What the administrator asked of a device. */
export interface Attributes {
  readonly blockSize: number
  /** Bytes; 0 when none was given. */
  readonly sizeBytes: number
  /** Longest transfer in blocks; undefined where the kernel does not say. */
  readonly maxSectors: number | undefined
  readonly writeCache: boolean | undefined
  readonly timeouts: KernelTimeouts
}

const SERIAL_LABEL = 'T10 VPD Unit Serial Number: '

/** One device's folder in configfs. */
export class DeviceFolder {
  readonly path: string

  constructor(roots: Roots, private readonly name: UioName) {
    this.path = join(roots.configfs, 'target/core', `user_${name.hba}`, name.device)
  }

  private async number(file: string): Promise<number | undefined> {
    const text = (await readText(join(this.path, file)))?.trim()
    return text !== undefined && /^-?\d{1,20}$/.test(text) ? Number(text) : undefined
  }

  /** Size from `info`, for kernels without `attrib/dev_size`. The configuration comes before it and may say anything. */
  private async sizeFromInfo(): Promise<number | undefined> {
    const found = [...((await readText(join(this.path, 'info'))) ?? '').matchAll(/ Size: (\d{1,20})/g)].at(-1)
    return found && Number(found[1])
  }

  /** Rejects with E_KERNEL_ATTRIBUTE when the device is not there, or has no block size. */
  async attributes(): Promise<Attributes> {
    const blockSize = await this.number('attrib/hw_block_size')
    if (!blockSize || blockSize < 0) {
      throw tcmuError('E_KERNEL_ATTRIBUTE', { device: this.name.device, file: join(this.path, 'attrib/hw_block_size'), reason: blockSize !== undefined ? `it says ${blockSize}` : 'it cannot be read' })
    }
    const cache = await this.number('attrib/emulate_write_cache')
    return {
      blockSize,
      sizeBytes: (await this.number('attrib/dev_size')) ?? (await this.sizeFromInfo()) ?? 0,
      maxSectors: (await this.number('attrib/hw_max_sectors')) || undefined,
      writeCache: cache === undefined ? undefined : cache !== 0,
      timeouts: { command: await this.number('attrib/cmd_time_out'), full: await this.number('attrib/qfull_time_out') },
    }
  }

  /** False when the kernel has no such attribute. */
  setAttribute(name: 'emulate_write_cache' | 'tmr_notification', value: 0 | 1): Promise<boolean> {
    return writeValue(join(this.path, 'attrib', name), String(value))
  }

  /** Change the size without an event. */
  pushSize(sizeBytes: number): Promise<boolean> {
    return writeValue(join(this.path, 'control'), `dev_size=${sizeBytes}`)
  }

  /** New commands get BUSY while blocked. False when the kernel cannot. */
  block(on: boolean): Promise<boolean> {
    return writeValue(join(this.path, 'action/block_dev'), on ? '1' : '0')
  }

  /** Give up what is in the ring: initiators are told to try again, or that it failed. */
  resetRing(policy: 'retry' | 'fail'): Promise<boolean> {
    return writeValue(join(this.path, 'action/reset_ring'), policy === 'retry' ? '1' : '2')
  }

  /** The unit serial number as it is now; empty when there is none. At once: it is asked for while a command is answered. */
  serial(): string {
    try {
      const text = readFileSync(join(this.path, 'wwn/vpd_unit_serial'), 'utf8')
      return text.startsWith(SERIAL_LABEL) ? text.slice(SERIAL_LABEL.length).replace(/[\n\0]+$/, '') : ''
    } catch {
      return ''
    }
  }
}

import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { tcmuError } from '../errors'
import { readText, type Roots } from './configfs'
import { parseUioName, type UioName } from './device-config'

const classFolder = (roots: Roots): string => join(roots.sys, 'class/uio')

/** A TCMU device that is there. */
export interface UioDevice extends UioName {
  readonly minor: number
}

/** TCMU devices by minor number; nothing of other kinds of UIO device. */
export async function scanUio(roots: Roots): Promise<UioDevice[]> {
  const entries = await readdir(classFolder(roots)).catch(() => [])
  const minors = entries.map((e) => /^uio(\d{1,9})$/.exec(e)?.[1]).filter((m) => m !== undefined).map(Number).sort((a, b) => a - b)
  const found = await Promise.all(minors.map(async (minor) => {
    const name = parseUioName((await readText(join(classFolder(roots), `uio${minor}`, 'name'))) ?? '')
    return name && { minor, ...name }
  }))
  return found.filter((d) => d !== undefined)
}

/** Bytes to map; exactly these. Rejects with E_KERNEL_ATTRIBUTE. */
export async function mapSize(roots: Roots, device: UioDevice): Promise<number> {
  const file = join(classFolder(roots), `uio${device.minor}`, 'maps/map0/size')
  const text = (await readText(file))?.trim() ?? ''
  const size = /^0x[0-9a-f]{1,16}$/i.test(text) ? Number(text) : NaN
  if (!Number.isSafeInteger(size) || size === 0) throw tcmuError('E_KERNEL_ATTRIBUTE', { device: device.device, file, reason: text === '' ? 'it cannot be read' : `it says ${text}` })
  return size
}

import type { Stats } from 'node:fs'
import { readFile } from 'node:fs/promises'

/** What the system says of the device under a file. */
export interface MediumFacts {
  /** Bytes; undefined when the device cannot discard or is not known. */
  readonly discardGranularity: number | undefined
  readonly logicalBlock: number | undefined
  readonly rotational: boolean | undefined
  /** The device can make a range read as zeroes without being sent them. */
  readonly writesZeroes: boolean
}

/** Linux dev_t as `stat` gives it, for majors below 2^12 and minors below 2^20: all there are. */
const major = (dev: number): number => Math.floor(dev / 256) % 4096
const minor = (dev: number): number => (dev % 256) + Math.floor(dev / 2 ** 20) * 256

/** A partition has no queue of its own: `..` of what its link leads to is the disk. Hence no path.join, which would drop it. */
async function queueValue(dev: number, name: string, sysfs: string): Promise<number | undefined> {
  for (const folder of ['queue', '../queue']) {
    const text = await readFile(`${sysfs}/dev/block/${major(dev)}:${minor(dev)}/${folder}/${name}`, 'latin1').catch(() => undefined)
    if (text !== undefined && /^\d+\n?$/.test(text)) return Number(text)
  }
  return undefined
}

/** Facts from sysfs; all undefined for file systems without a device of their own (tmpfs, NFS, btrfs, overlayfs). */
export async function mediumFacts(stat: Stats, sysfs = '/sys'): Promise<MediumFacts> {
  const dev = stat.isBlockDevice() ? stat.rdev : stat.dev
  const rotational = await queueValue(dev, 'rotational', sysfs)
  return {
    discardGranularity: (await queueValue(dev, 'discard_granularity', sysfs)) || undefined,
    logicalBlock: (await queueValue(dev, 'logical_block_size', sysfs)) || undefined,
    rotational: rotational === undefined ? undefined : rotational !== 0,
    writesZeroes: ((await queueValue(dev, 'write_zeroes_max_bytes', sysfs)) ?? 0) > 0,
  }
}

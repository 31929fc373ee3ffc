import { promisify } from 'node:util'
import { inflateRaw } from 'node:zlib'
import type { IoFile } from '@tcmu/host/handler'
import { readBytes } from './disk'
import { Compression, TWO32 } from './format'
import type { ImageHeader } from './header'
import { ioFault } from './refuse'
import { unzstd } from './zstd'

const inflate = promisify<Uint8Array, { maxOutputLength: number }, Buffer>(inflateRaw)
const SECTOR = 512
/** Neighbouring commands read the same cluster: the last few stay. */
const CACHE_BYTES = 4 * 2 ** 20

/** Where the compressed bytes of a cluster lie. */
export interface Packed {
  readonly offset: number
  readonly length: number
}

export function packedOf(header: Pick<ImageHeader, 'version' | 'clusterSize'>, high: number, low: number): Packed {
  const clusterBits = Math.log2(header.clusterSize)
  const bits = header.version === 1 ? 63 - clusterBits : 62 - (clusterBits - 8)
  const lengthBits = header.version === 1 ? clusterBits : clusterBits - 8
  // The split is in the upper half for every cluster size: 42 to 61.
  const upper = bits - 32
  const offset = (high & (2 ** upper - 1)) * TWO32 + low
  const n = Math.floor(high / 2 ** upper) % 2 ** lengthBits
  return { offset, length: header.version === 1 ? n : (n + 1) * SECTOR - (offset % SECTOR) }
}

/** Compressed clusters of one layer. */
export class CompressedClusters {
  private readonly cache = new Map<string, Promise<Uint8Array>>()
  private readonly most: number

  constructor(private readonly file: IoFile, private readonly header: ImageHeader, private readonly fileEnd: () => number) {
    this.most = Math.max(2, Math.floor(CACHE_BYTES / header.clusterSize))
  }

  /** The whole cluster. Rejects with EIO when it cannot be made out. */
  cluster(high: number, low: number): Promise<Uint8Array> {
    const key = `${high}.${low}`
    const there = this.cache.get(key)
    if (there) {
      this.cache.delete(key)
      this.cache.set(key, there)
      return there
    }
    const reading = this.unpack(high, low)
    reading.catch(() => this.cache.delete(key))
    this.cache.set(key, reading)
    if (this.cache.size > this.most) this.cache.delete(this.cache.keys().next().value!)
    return reading
  }

  private async unpack(high: number, low: number): Promise<Uint8Array> {
    const { clusterSize, compression } = this.header
    const { offset, length } = packedOf(this.header, high, low)
    const left = this.fileEnd() - offset
    if (!Number.isSafeInteger(offset) || left <= 0) throw ioFault('EIO', this.file.path, `a compressed cluster at ${offset} is not inside the file`)
    const packed = await readBytes(this.file, offset, Math.min(length, left))
    try {
      const out = compression === Compression.ZSTD ? await unzstd(packed, clusterSize) : await inflate(packed, { maxOutputLength: clusterSize })
      if (out.length === clusterSize) return out
      throw new Error(`${out.length} bytes came out, not ${clusterSize}`)
    } catch (error) {
      throw ioFault('EIO', this.file.path, `the compressed cluster at ${offset} cannot be read: ${(error as Error).message}`)
    }
  }
}

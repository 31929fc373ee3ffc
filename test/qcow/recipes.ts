import { type Dice, type Images, KiB, MiB } from './lib'

export interface Made {
  readonly path: string
  readonly format: 'qcow' | 'qcow2'
  /** What the disk holds. */
  readonly model: Buffer
}

export interface Recipe {
  readonly name: string
  make(at: Images, dice: Dice): Promise<Made>
  /** Options of the device. */
  readonly blockSize?: number
}

const SIZE = 8 * MiB

/** An empty image of `-o OPTIONS`. */
const empty = (name: string, options: string, size = SIZE): Recipe => ({
  name,
  make: async (at) => {
    const path = at.path()
    const format = options.startsWith('qcow1') ? 'qcow' : 'qcow2'
    const extra = options.replace('qcow1', '')
    await at.img('create', '-q', '-f', format, ...(extra ? ['-o', extra] : []), path, String(size))
    return { path, format, model: Buffer.alloc(size) }
  },
})

/** An image over a raw file of `baseSize` bytes of data with holes. */
const overlay = (name: string, options: string, baseSize: number, size: number): Recipe => ({
  name,
  make: async (at, dice) => {
    const content = dice.bytes(baseSize)
    content.fill(0, MiB, MiB + 300 * KiB)
    const base = at.base(`base-${dice.below(1e9)}`, content)
    const path = at.path()
    const format = options.startsWith('qcow1') ? 'qcow' : 'qcow2'
    const extra = options.replace('qcow1', '')
    await at.img('create', '-q', '-f', format, ...(extra ? ['-o', extra] : []), '-b', base, '-F', 'raw', path, String(size))
    const model = Buffer.alloc(size)
    content.copy(model, 0, 0, Math.min(size, baseSize))
    return { path, format, model }
  },
})

/** Data converted into an image by qemu-img. */
const converted = (name: string, format: 'qcow' | 'qcow2', ...args: string[]): Recipe => ({
  name,
  make: async (at, dice) => {
    const model = dice.bytes(SIZE)
    model.fill(0, 2 * MiB, 3 * MiB)
    // Some of it does not compress.
    for (let i = 4 * MiB; i < 5 * MiB; i++) model[i] = dice.below(256)
    const base = at.base(`raw-${dice.below(1e9)}`, model)
    const path = at.path()
    // qemu-img 7.2 ends compressed qcow images well and its own process with 1: what counts is what it reads back.
    await at.img('convert', '-q', '-O', format, ...args, base, path).catch((e: unknown) => { if (format !== 'qcow') throw e })
    await at.img('compare', '-q', '-F', format, base, path)
    return { path, format, model }
  },
})

const chain: Recipe = {
  name: 'chain: raw, qcow, qcow2 v2, qcow2 v3 with relative names',
  make: async (at, dice) => {
    const tag = dice.below(1e9)
    const model = Buffer.alloc(SIZE)
    dice.bytes(5 * MiB).copy(model)
    at.base(`c0-${tag}`, model.subarray(0, 5 * MiB))
    const layers = [['qcow', 'raw', ''], ['qcow2', 'qcow', 'compat=0.10'], ['qcow2', 'qcow2', 'cluster_size=4k']] as const
    for (const [i, [format, below, options]] of layers.entries()) {
      const name = `c${i + 1}-${tag}`
      await at.img('create', '-q', '-f', format, ...(options ? ['-o', options] : []), '-b', `c${i}-${tag}`, '-F', below, name, String(SIZE))
      const from = (i + 1) * MiB + 1536
      await at.io(at.path(name), `write -P ${i + 1} ${from} 700k`)
      model.fill(i + 1, from, from + 700 * KiB)
    }
    return { path: at.path(`c3-${tag}`), format: 'qcow2', model }
  },
}

const snapshot = (name: string, options: string): Recipe => ({
  name,
  make: async (at) => {
    const path = at.path()
    await at.img('create', '-q', '-f', 'qcow2', ...(options ? ['-o', options] : []), path, String(SIZE))
    await at.io(path, 'write -P 1 0 3M', 'write -P 2 5M 100k')
    await at.img('snapshot', '-c', 's1', path)
    await at.io(path, 'write -P 3 1M 500k')
    await at.img('snapshot', '-c', 's2', path)
    const model = Buffer.alloc(SIZE)
    model.fill(1, 0, 3 * MiB).fill(2, 5 * MiB, 5 * MiB + 100 * KiB).fill(3, MiB, MiB + 500 * KiB)
    return { path, format: 'qcow2', model }
  },
})

const dataFile = (name: string, options: string): Recipe => ({
  name,
  make: async (at) => {
    const path = at.path()
    await at.img('create', '-q', '-f', 'qcow2', '-o', `data_file=${at.path()}${options}`, path, String(SIZE))
    return { path, format: 'qcow2', model: Buffer.alloc(SIZE) }
  },
})

const clusterSizes = ['512', '4k', '64k', '128k', '2M']
const widths = [1, 2, 4, 8, 32, 64]

/** Versions, cluster sizes and features, as in the table of docs and package README. */
export const recipes: readonly Recipe[] = [
  empty('qcow', 'qcow1'),
  overlay('qcow over raw', 'qcow1', 6 * MiB, SIZE),
  converted('qcow compressed', 'qcow', '-c'),
  ...clusterSizes.map((c) => empty(`v2, clusters of ${c}`, `compat=0.10,cluster_size=${c}`)),
  ...clusterSizes.map((c) => empty(`v3, clusters of ${c}`, `cluster_size=${c}`)),
  ...widths.map((w) => empty(`v3, counts of ${w} bits`, `refcount_bits=${w},cluster_size=4k`)),
  ...['16k', '128k', '2M'].map((c) => empty(`extended L2, clusters of ${c}`, `extended_l2=on,cluster_size=${c}`)),
  overlay('v2 over raw', 'compat=0.10', SIZE, SIZE),
  overlay('v3 over raw', 'cluster_size=64k', SIZE, SIZE),
  overlay('v3, clusters of 512, over raw', 'cluster_size=512', SIZE, SIZE),
  overlay('v3 over a shorter file', '', 5 * MiB - 1536, SIZE),
  overlay('v3 over a longer file', '', SIZE, 5 * MiB),
  overlay('extended L2 over raw', 'extended_l2=on,cluster_size=64k', 7 * MiB, SIZE),
  chain,
  converted('compressed, zlib', 'qcow2', '-c'),
  converted('compressed, zlib, v2, clusters of 4k', 'qcow2', '-c', '-o', 'compat=0.10,cluster_size=4k'),
  converted('compressed, zstd', 'qcow2', '-c', '-o', 'compression_type=zstd'),
  converted('compressed, zstd, clusters of 2M', 'qcow2', '-c', '-o', 'compression_type=zstd,cluster_size=2M'),
  converted('compressed, extended L2', 'qcow2', '-c', '-o', 'extended_l2=on,cluster_size=64k'),
  empty('lazy refcounts', 'lazy_refcounts=on'),
  empty('lazy refcounts, clusters of 512', 'lazy_refcounts=on,cluster_size=512'),
  ...['metadata', 'falloc', 'full'].map((p) => empty(`preallocation=${p}`, `preallocation=${p}`)),
  dataFile('external data file', ''),
  dataFile('external data file, raw', ',data_file_raw=on'),
  dataFile('external data file, extended L2', ',extended_l2=on'),
  snapshot('snapshots, v2', 'compat=0.10'),
  snapshot('snapshots, v3, clusters of 4k', 'cluster_size=4k'),
  snapshot('snapshots, extended L2', 'extended_l2=on,cluster_size=32k'),
  empty('a size that is no multiple of the cluster', '', 1000448),
]

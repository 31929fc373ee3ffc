import { stat } from 'node:fs/promises'
import type { IoFile } from '@tcmu/host/handler'
import { type ChainContext, pathFrom } from './context'
import { type ImageHeader } from './header'
import { type Layer, RawLayer } from './layer'
import { looksLikeImage, openImageFile, readerLocks } from './open-file'
import { openReader } from './read-only'
import { refuse } from './refuse'

/** Longer chains are mistakes; each layer is an open file and a cache. */
export const MAX_DEPTH = 64
const rawFormats: readonly string[] = ['raw', 'file', 'host_device']
const imageFormats: Readonly<Record<string, readonly number[]>> = { qcow: [1], qcow2: [2, 3] }

/** Files of the chain so far: paths, and who they are. */
type Seen = ReadonlyMap<string, string>

async function identity(path: string): Promise<string> {
  const { dev, ino } = await stat(path)
  return `${dev}:${ino}`
}

/** The layers below an image, opened read-only. Rejects with E_QCOW_BACKING, E_QCOW_CHAIN, or what is wrong with a layer. */
export async function openBacking(context: ChainContext, path: string, header: ImageHeader, above: Seen = new Map()): Promise<Layer | undefined> {
  const { backing } = header
  if (!backing) return undefined
  const seen = new Map([...above, [path, await identity(path)]])
  const target = pathFrom(path, backing.name)
  const wrong = (reason: string, cause?: unknown): Error => refuse('E_QCOW_BACKING', { path, backing: backing.name, reason }, cause)
  if (target === undefined) throw wrong('it is not a file. Convert the image with qemu-img, or rebase it on a file')
  const id = await identity(target).catch((error: unknown) => { throw wrong((error as Error).message, error) })
  const round = [...seen.values()].includes(id)
  if (round || seen.size > MAX_DEPTH) throw refuse('E_QCOW_CHAIN', { path: [...seen.keys()][0]!, depth: MAX_DEPTH, reason: [...seen.keys(), target].slice(-4).join(' on ') })
  const { format } = backing
  if (format !== undefined && !rawFormats.includes(format) && !imageFormats[format]) throw wrong(`its format is ${format}, which is not raw, qcow or qcow2`)
  const raw = format === undefined ? await asRaw(context, target) : rawFormats.includes(format) ? await openRaw(context, target) : undefined
  if (raw) return new RawLayer(raw)
  const opened = await openImageFile(context.io, target, true)
  if (format !== undefined && !imageFormats[format]!.includes(opened.header.version)) {
    await opened.file.close()
    throw wrong(`it is of version ${opened.header.version}, not ${format}`)
  }
  return openReader(context, opened, (h) => openBacking(context, target, h, seen))
}

const openRaw = (context: ChainContext, path: string): Promise<IoFile> => context.io.open(path, { readOnly: true, lock: readerLocks })

/** Nobody says what it is: an image when it begins as one. */
async function asRaw(context: ChainContext, path: string): Promise<IoFile | undefined> {
  const file = await openRaw(context, path)
  try {
    if (!(await looksLikeImage(file))) return file
  } catch (error) {
    await file.close()
    throw error
  }
  await file.close()
  return undefined
}

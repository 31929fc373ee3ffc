import type { IoFile } from '@tcmu/host/handler'
import { type ChainContext, pathFrom } from './context'
import { type Opened, readerLocks, writerLocks } from './open-file'
import { refuse } from './refuse'

/** The file that holds the data of an image with an external data file, opened and locked as the image is. */
export async function openDataFile(context: ChainContext, { file, header }: Opened): Promise<IoFile | undefined> {
  if (header.dataFile === undefined) return undefined
  const wrong = (reason: string, cause?: unknown): Error => refuse('E_QCOW_BACKING', { path: file.path, backing: header.dataFile!, reason }, cause)
  const path = pathFrom(file.path, header.dataFile)
  if (path === undefined) throw wrong('it is not a file')
  try {
    return await context.io.open(path, { readOnly: file.readOnly, lock: file.readOnly ? readerLocks : writerLocks })
  } catch (error) {
    throw wrong((error as Error).message, error)
  }
}

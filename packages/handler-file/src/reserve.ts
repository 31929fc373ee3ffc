import { type DeviceInfo, type IoFile, Status, TcmuError } from '@tcmu/host/handler'

/**
 * Reserve storage for the whole file, as a thick device wants it; whether that was done. A block device has all of its own. Rejects with
 * E_FILE_SPACE when there is not enough.
 */
export async function reserve(file: IoFile, dev: Pick<DeviceInfo, 'name' | 'log'>): Promise<boolean> {
  if (file.blockDevice) return true
  if (file.readOnly) return false
  try {
    if ((await file.allocate(0, file.size)) === Status.OK) return true
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error
    throw new TcmuError('E_FILE_SPACE', `${file.path}: its file system has not the ${file.size} bytes that thick ${dev.name} wants reserved; free some, or leave \`thick\` out`, { path: file.path, sizeBytes: file.size })
  }
  dev.log.warn(`${file.path}: its file system cannot reserve storage: nothing of ${dev.name} is unmapped, and it may run out of space`)
  return false
}

import { type IoFile, TcmuError } from '@tcmu/host/handler'
import { mayMake } from './check'

/**
 * Why a file does not fit a device of `sizeBytes` (0: of any size), or undefined when it does. A regular file must have
 * exactly that size: what is beyond it would be lost to sight, what is missing would be made up.
 */
export function sizeError(file: Pick<IoFile, 'path' | 'size' | 'blockDevice'>, sizeBytes: number, device: string): TcmuError | undefined {
  const refuse = (sentence: string): TcmuError =>
    new TcmuError('E_FILE_SIZE', `${file.path} has ${file.size} bytes, and ${device} is to have ${sizeBytes}; ${sentence}`, {
      path: file.path, fileBytes: file.size, sizeBytes,
    })
  if (sizeBytes === 0) {
    if (file.size > 0) return undefined
    return new TcmuError('E_FILE_SIZE', `${file.path} is empty, and no size is given for ${device}; give the LUN a size`, { path: file.path })
  }
  if (file.size === sizeBytes || (file.blockDevice && file.size > sizeBytes)) return undefined
  if (file.blockDevice) return refuse(`give the LUN size=${file.size} or less, or a larger block device`)
  if (file.size < sizeBytes) return refuse(`give the LUN size=${file.size}, or make the file larger: truncate -s ${sizeBytes} '${file.path}'`)
  return refuse(`give the LUN size=${file.size}; a file is never cut off`)
}

/** Why a file in direct I/O cannot have blocks of `blockSize`, or undefined when it can. */
export function alignmentError({ path, alignment }: Pick<IoFile, 'path' | 'alignment'>, blockSize: number, device: string): TcmuError | undefined {
  if (blockSize % alignment === 0) return undefined
  return new TcmuError('E_FILE_DIRECT', `${path} moves ${alignment} bytes at a time in direct I/O, and ${device} has blocks of ${blockSize}; give the LUN blocks of ${alignment}, or leave \`direct\` out`, { path, alignment, blockSize })
}

/** Nothing is at `path`, and it is not to be made. */
export const missingError = (path: string, device: string): TcmuError =>
  new TcmuError('E_FILE_MISSING', mayMake(path)
    ? `${path} is not there, and no size is given for ${device}; give the LUN a size to have the file made, or correct the path`
    : `${path} is not there, and devices are not made; correct the path, or bring the device up`, { path })

import { defineHandler, type DeviceInfo } from '@tcmu/host/handler'

/** What a new block is filled with; undefined when the configuration is no such number. */
function fillOf(config: string): number | undefined {
  if (config === '') return 0
  const fill = Number(config)
  return /^\d{1,3}$/.test(config) && fill >= 1 && fill <= 255 ? fill : undefined
}

/** A disk in memory, to be replaced by something better. The host speaks SCSI; these functions move bytes. */
export default defineHandler({
  subtype: '__SUBTYPE__',
  summary: 'a disk in memory',

  checkConfig: (config: string) => fillOf(config) !== undefined || `${JSON.stringify(config)} is no number from 1 to 255; write __SUBTYPE__/7, or __SUBTYPE__/ for zeroes`,

  // What `open` returns is the first argument of everything else. Throw to refuse.
  open(dev: DeviceInfo) {
    dev.declare({ solidState: true, product: '__PRODUCT__' })
    dev.log.info(`${dev.sizeBytes} bytes of memory`)
    return Buffer.alloc(dev.sizeBytes, fillOf(dev.config))
  },

  // Offsets and lengths are bytes. Return nothing, a status or a promise; throw an error with an errno `code` for the rest.
  read: (memory, io) => void io.data.set(memory.subarray(io.offset, io.offset + io.length)),
  write: (memory, io) => void io.data.copyTo(memory, io.offset),

  // Optional callbacks are what the device can do. Without `flush` it says that it has no write cache.
  unmap: (memory, range) => void memory.fill(0, range.offset, range.offset + range.length),
})

import { type BlocksHandler, defineHandler, type DeviceInfo } from '../../handler'

const part = (ram: Uint8Array, { offset, length }: { offset: number; length: number }): Uint8Array => ram.subarray(offset, offset + length)

/** A volatile disk in memory; its state is its contents. */
export const ramHandler: BlocksHandler<Uint8Array> = defineHandler({
  subtype: 'ram',
  summary: 'volatile disk in memory',
  open: (dev: DeviceInfo) => {
    dev.declare({ solidState: true, unmappedReadsZero: true })
    return new Uint8Array(dev.sizeBytes)
  },
  read: (ram, io) => void io.data.set(part(ram, io)),
  write: (ram, io) => void io.data.copyTo(part(ram, io)),
  flush: () => {},
  unmap: (ram, range) => void part(ram, range).fill(0),
})

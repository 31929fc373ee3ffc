import { defineHandler } from '@tcmu/host/handler'

export default defineHandler({
  subtype: 'ram',
  open: (dev) => Buffer.alloc(dev.sizeBytes),
  read: (memory, io) => void io.data.set(memory.subarray(io.offset, io.offset + io.length)),
  write: (memory, io) => void io.data.copyTo(memory.subarray(io.offset, io.offset + io.length)),
})

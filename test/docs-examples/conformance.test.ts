import { handlerConformance } from '@tcmu/host/testing'
import { defineHandler, Status } from '@tcmu/host/handler'

const ram = defineHandler({
  subtype: 'ram',
  open: (dev) => Buffer.alloc(dev.sizeBytes),
  read: (memory, io) => void io.data.set(memory.subarray(io.offset, io.offset + io.length)),
  write: (memory, io) => void io.data.copyTo(memory.subarray(io.offset, io.offset + io.length)),
  flush: () => Status.OK,
})

handlerConformance({
  handler: ram,
  config: '',
  geometry: { sizeBytes: 16 * 1024 * 1024 },
  volatile: true,
})

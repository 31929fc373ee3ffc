import { defineHandler, type DeviceInfo, Status } from '@tcmu/host/handler'

/** A disk in memory that says which of its callbacks are called. */
export default defineHandler({
  subtype: 'life',
  checkConfig: () => true,
  open(dev: DeviceInfo) {
    dev.log.info(dev.reopen ? 'open, with dev.reopen' : 'open')
    return { memory: Buffer.alloc(dev.sizeBytes), dev, say: (name: string) => dev.log.info(name) }
  },
  close: ({ say }) => say('close'),
  reconfigure({ say }, change) {
    say(`reconfigure, ${change.kind}`)
    return Status.NOT_HANDLED
  },
  read({ memory, say }, io) {
    say('read')
    io.data.set(memory.subarray(io.offset, io.offset + io.length))
  },
  write({ memory, dev, say }, io) {
    say('write')
    io.data.copyTo(memory, io.offset)
    // As if the backend had gone with the last block.
    if (io.offset + io.length === memory.length) dev.report('connection-lost')
  },
  flush: ({ say }) => say('flush'),
  unmap({ memory, say }, range) {
    say('unmap')
    memory.fill(0, range.offset, range.offset + range.length)
  },
})

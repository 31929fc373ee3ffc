const { defineHandler, Status } = require('@tcmu/host/handler')

const PROCESSOR = 0x03
const inquiry = Buffer.from([PROCESSOR, 0, 5, 2, 31, 0, 0, 0, ...Buffer.from('EXAMPLE CARD READER     0001')])
const uint16 = (bytes, at) => bytes[at] * 256 + bytes[at + 1]

/** Operation codes and who answers them. */
const commands = {
  0x00: () => Status.OK, // TEST UNIT READY
  0x03: (task) => task.respond(new Uint8Array(18).fill(0x70, 0, 1), task.cdb[4]), // REQUEST SENSE: nothing to report
  0x12: (task) => (task.cdb[1] & 1 ? task.invalidCdb(1, 0) : task.respond(inquiry, uint16(task.cdb, 3))), // INQUIRY
}

module.exports = defineHandler({
  subtype: 'card',
  deviceType: PROCESSOR,
  open: (dev) => {
    if (dev.sizeBytes === 0) dev.resized(dev.blockSize)
    return {}
  },
  handleCmd: (state, task) => commands[task.cdb[0]]?.(task) ?? Status.NOT_HANDLED,
})

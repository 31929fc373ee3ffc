import { defineHandler, Status } from '@tcmu/host/handler'
import { ascii, bits, layout, skip, u16be, u8 } from '@tcmu/host/scsi'

/** Peripheral device type (SPC-4 table 49): a processor device, which has no medium. */
const PROCESSOR = 0x03

const InquiryData = layout('inquiry_data', {
  peripheral: bits(u8, { deviceType: [4, 0] }), removable: u8, version: u8, format: u8, additionalLength: u8, reserved: skip(3),
  vendor: ascii(8), product: ascii(16), revision: ascii(4),
}, { size: 36 })
const InquiryCdb = layout('inquiry', { op: u8, page: bits(u8, { evpd: 0 }), pageCode: u8, allocation: u16be, control: u8 }, { size: 6 })
const SenseCdb = layout('request_sense', { op: u8, reserved: skip(3), allocation: u8, control: u8 }, { size: 6 })
const SenseData = layout('sense_data', { responseCode: u8, reserved: skip(6), additionalLength: u8, more: skip(10) }, { size: 18 })

const introduction = InquiryData.encode({
  deviceType: PROCESSOR, removable: 0, version: 6, format: 2, additionalLength: 31, vendor: 'EXAMPLE', product: '__PRODUCT__', revision: '0001',
})
const nothingToReport = SenseData.encode({ responseCode: 0x70, additionalLength: 10 })

/** Operation codes and who answers them. */
const commands = {
  // TEST UNIT READY
  0x00: () => Status.OK,
  // REQUEST SENSE
  0x03: (task) => task.respond(nothingToReport, SenseCdb.decode(task.cdb).allocation),
  // INQUIRY
  0x12: (task) => {
    const { evpd, allocation } = InquiryCdb.decode(task.cdb)
    return evpd ? task.invalidCdb(1, 0) : task.respond(introduction, allocation)
  },
}

/** A device that answers every command itself. What it does not know, it passes on: the host then says so to the initiator. */
export default defineHandler({
  subtype: '__SUBTYPE__',
  summary: 'a processor device without a medium',
  deviceType: PROCESSOR,
  open(dev) {
    if (dev.sizeBytes === 0) dev.resized(dev.blockSize)
    return {}
  },
  handleCmd: (_state, task) => commands[task.cdb[0]]?.(task) ?? Status.NOT_HANDLED,
})

import { sam, StandardInquiry } from '../../../scsi'
import { isBlocks } from '../../../handler'
import { describeAnswer } from '../../answer'
import { cdb } from '../../cdb'
import { expectGood, expectInvalidOpcode } from '../../expect'
import { Random } from '../../random'
import type { HandlerPromise } from '../promise'
import { broken } from '../subject'

const ownsCommands: HandlerPromise['applies'] = ({ handler }) => !isBlocks(handler) || 'the handler is of shape blocks; the host speaks SCSI for it'
/** Standard INQUIRY data without vendor specific bytes (SPC-4 6.6.2). */
const SHORTEST_INQUIRY = 36
/** Vendor specific; nobody's. */
const UNKNOWN = 0xff
const padded = (data: Uint8Array): Uint8Array => Buffer.concat([data, Buffer.alloc(StandardInquiry.size)])
const RANDOM_CDBS = 2000
const ROOM = 4096

export const introducesItself: HandlerPromise = {
  name: 'answers INQUIRY, TEST UNIT READY and REQUEST SENSE, and refuses what it does not know',
  scope: 'commands',
  applies: ownsCommands,
  async check(subject) {
    const { device, initiator } = await subject.open()
    const { data } = expectGood(await subject.within(initiator.inquiry(), 'INQUIRY'))
    if (data.length < SHORTEST_INQUIRY) broken(`INQUIRY gave ${data.length} bytes; standard data has ${SHORTEST_INQUIRY} at least`)
    const { deviceType } = StandardInquiry.decode(padded(data))
    if (deviceType !== device.deviceType) broken(`INQUIRY says device type ${deviceType}, the definition ${device.deviceType}`)
    const short = expectGood(await subject.within(initiator.inquiry({ allocation: 5 }), 'INQUIRY of 5 bytes'))
    if (short.data.length > 5) broken(`INQUIRY with room for 5 bytes gave ${short.data.length}: answer with \`task.respond(bytes, allocationLength)\``)
    await subject.within(initiator.testUnitReady(), 'TEST UNIT READY')
    expectGood(await subject.within(initiator.requestSense(), 'REQUEST SENSE'))
    expectInvalidOpcode(await subject.within(initiator.send(Uint8Array.of(UNKNOWN, 0, 0, 0, 0, 0), {}), 'an unknown command'))
  },
}

const wellFormed: readonly number[] = Object.values(sam)

export const answersAnything: HandlerPromise = {
  name: 'answers every command once, whatever is in it',
  scope: 'all',
  applies: () => true,
  async check(subject) {
    const { device, initiator } = await subject.open()
    const random = new Random(4)
    const codes = device.commands.rows.map((row) => ({ op: row.op, sa: row.sa, size: row.cdb.size }))
    for (let i = 0; i < RANDOM_CDBS; i++) {
      const known = codes.length > 0 && random.below(8) > 0 ? codes[random.below(codes.length)]! : { op: random.below(256), sa: undefined, size: 16 }
      const bytes = random.bytes(known.size)
      // Small numbers reach further into a command than random ones.
      for (let at = 2; at < bytes.length; at++) if (random.below(3)) bytes[at] = 0
      bytes[0] = known.op
      if (known.sa !== undefined) bytes[1] = (bytes[1]! & 0xe0) | known.sa
      const transfer = [{}, { dataIn: ROOM }, { dataOut: random.bytes(ROOM) }][random.below(3)]!
      const answer = await subject.within(initiator.send(bytes, transfer), `the command ${Buffer.from(bytes).toString('hex')}`)
      if (!wellFormed.includes(answer.status)) broken(`the command ${Buffer.from(bytes).toString('hex')} ended with status ${answer.status}`)
      if (answer.status === sam.CHECK_CONDITION && answer.key < 0) broken(`the command ${Buffer.from(bytes).toString('hex')} ended with ${describeAnswer(answer)}`)
    }
    expectGood(await subject.within(initiator.send(cdb.inquiry(), { dataIn: 255 }), 'INQUIRY after random commands'))
  },
}

import { AllCommandsHeader, CommandDescriptor, OneCommand, reportingOptions as options, TimeoutsDescriptor } from '@tcmu/host/scsi'
import { cdb, expectGood, expectInvalidField, type Initiator } from '@tcmu/host/testing'
import { disk, fieldOf } from './harness'

interface Listed { opcode: number; serviceAction: number; servactv: number; cdbLength: number }
async function all(initiator: Initiator, rctd: number): Promise<Listed[]> {
  const { data } = expectGood(await initiator.send(cdb.reportOpcodes({ rctd }), { dataIn: 4096 }))
  expect(AllCommandsHeader.decode(data).length).toBe(data.length - 4)
  const step = CommandDescriptor.size + (rctd ? TimeoutsDescriptor.size : 0)
  return Array.from({ length: (data.length - 4) / step }, (_, i) => {
    const d = CommandDescriptor.decode(data, 4 + i * step)
    expect(d.ctdp).toBe(rctd)
    if (rctd) expect(TimeoutsDescriptor.decode(data, 4 + i * step + 8).length).toBe(10)
    return d
  })
}
const one = (initiator: Initiator, fields: object) => initiator.send(cdb.reportOpcodes(fields), { dataIn: 64 })

test('lists every command once, with and without time-outs', async () => {
  const { initiator, device } = await disk()
  const list = await all(initiator, 0)
  expect(list).toEqual((await all(initiator, 1)).map((d) => ({ ...d, ctdp: 0 })))
  expect(new Set(list.map((d) => `${d.opcode} ${d.servactv ? d.serviceAction : '-'}`)).size).toBe(device.commands.rows.length)
})

test.each([0, 1])('describes every command by itself (RCTD %i)', async (rctd) => {
  const { initiator, device } = await disk()
  for (const row of device.commands.rows) {
    const byAction = row.sa !== undefined
    const fields = { requestedOp: row.op, requestedAction: row.sa ?? 0, rctd }
    for (const o of [byAction ? options.OPCODE_AND_ACTION : options.OPCODE, options.EITHER]) {
      const { data } = expectGood(await one(initiator, { ...fields, options: o }))
      expect(OneCommand.decode(data)).toEqual({ ctdp: rctd, support: 3, cdbSize: row.cdb.size })
      expect(data.length).toBe(4 + row.cdb.size + (rctd ? 12 : 0))
      expect(data[4]).toBe(row.op)
      if (byAction) expect(data[5] & 0x1f).toBe(row.sa)
    }
    const wrong = expectInvalidField(await one(initiator, { ...fields, options: byAction ? options.OPCODE : options.OPCODE_AND_ACTION }))
    expect(fieldOf(wrong.sense)).toEqual({ byte: 3, bit: -1, inCdb: true })
  }
})

test('usage maps', async () => {
  const { initiator } = await disk({ declare: { sanitize: true } })
  const map = async (requestedOp: number, requestedAction = 0) =>
    (await one(initiator, { options: options.EITHER, requestedOp, requestedAction })).data.toString('hex', 4)
  expect(await map(0x28)).toBe('28f8ffffffff00ffff04')
  expect(await map(0x12)).toBe('1203ffffff04')
  expect(await map(0x93)).toBe('93ff' + 'ff'.repeat(12) + '0004')
  expect(await map(0x48, 0x01)).toMatch(/^48[e-f]1/)
  expect(await map(0x9e, 0x10)).toBe('9e10' + 'ff'.repeat(12) + '0004')
})

test('what is not there is not supported', async () => {
  const { initiator } = await disk({ handler: { unmap: undefined } })
  for (const fields of [
    { options: options.OPCODE, requestedOp: 0x42 }, { options: options.OPCODE, requestedOp: 0xff },
    { options: options.OPCODE_AND_ACTION, requestedOp: 0x9e, requestedAction: 0x1f },
    { options: options.OPCODE_AND_ACTION, requestedOp: 0xa3, requestedAction: 0xffff },
    { options: options.EITHER, requestedOp: 0x28, requestedAction: 1 },
  ]) {
    expect(OneCommand.decode(expectGood(await one(initiator, fields)).data)).toMatchObject({ support: 1 })
  }
})

test('other reporting options are refused', async () => {
  const { initiator } = await disk()
  for (let o = 4; o < 8; o++) {
    expect(fieldOf(expectInvalidField(await one(initiator, { options: o })).sense)).toEqual({ byte: 2, bit: 2, inCdb: true })
  }
})

test('a filter that takes an ability away takes the commands away', async () => {
  const { device } = await disk({ handler: { unmap: undefined } })
  const names = device.commands.rows.map((r) => r.name)
  expect(names).not.toContain('UNMAP')
  expect(names).not.toContain('GET LBA STATUS')
  expect(names).toContain('WRITE SAME(16)')
})

test('task management functions', async () => {
  const { initiator } = await disk()
  const bytes = Buffer.from('a30d00000000000000100000', 'hex')
  expect(expectGood(await initiator.send(bytes, { dataIn: 16 })).data.toString('hex')).toBe('d8000000')
  bytes[2] = 0x80
  expect(expectGood(await initiator.send(bytes, { dataIn: 16 })).data.toString('hex')).toBe('d800000c' + '00'.repeat(12))
})

test('defect lists are empty', async () => {
  const { initiator } = await disk()
  expect(expectGood(await initiator.send(Buffer.from('37001d00000000002000', 'hex'), { dataIn: 32 })).data.toString('hex')).toBe('001d0000')
  expect(expectGood(await initiator.send(Buffer.from('b71800000000000000200000', 'hex'), { dataIn: 32 })).data.toString('hex')).toBe('0018000000000000')
})

import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { createConnection, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { cdb } from './cdb'
import { CdbAnswer, CdbRequest, serveCdbs } from './cdb-socket'
import { testDevice } from './harness'
import { ramHandler } from './handlers/ram'

const folder = mkdtempSync(join(tmpdir(), 'tcmu-cdb-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

async function ask(socket: Socket, bytes: Uint8Array, out: Uint8Array, room: number): Promise<{ status: number; sense: Buffer; data: Buffer; residual: number }> {
  const wire = Buffer.concat([CdbRequest.encode({ cdbLength: bytes.length, outLength: out.length, inLength: room }), bytes, out])
  // In pieces, as a stream may come.
  socket.write(wire.subarray(0, 7))
  socket.write(wire.subarray(7))
  let got = Buffer.alloc(0)
  for (;;) {
    got = Buffer.concat([got, (await once(socket, 'data'))[0] as Buffer])
    if (got.length < CdbAnswer.size) continue
    const { status, senseLength, inLength, residual } = CdbAnswer.decode(got)
    if (got.length < CdbAnswer.size + senseLength + inLength) continue
    return { status, residual, sense: got.subarray(CdbAnswer.size, CdbAnswer.size + senseLength), data: got.subarray(CdbAnswer.size + senseLength) }
  }
}

test('a program writes, reads, and is told what was wrong', async () => {
  const device = await testDevice(ramHandler)
  const path = join(folder, 'unit')
  const server = await serveCdbs(device, path)
  const socket = createConnection(path)
  const data = Buffer.alloc(1024, 0x3c)
  expect(await ask(socket, cdb.write10({ lba: 3, blocks: 2 }), data, 0)).toMatchObject({ status: 0, residual: 0 })
  expect((await ask(socket, cdb.read10({ lba: 3, blocks: 2 }), Buffer.alloc(0), 1024)).data).toEqual(data)
  expect(await ask(socket, cdb.inquiry(), Buffer.alloc(0), 255)).toMatchObject({ status: 0, residual: 255 - 96 })
  const wrong = await ask(socket, cdb.read10({ lba: 1e6, blocks: 1 }), Buffer.alloc(0), 512)
  expect([wrong.status, wrong.sense[2]! & 0xf, wrong.sense[12]]).toEqual([2, 5, 0x21])
  socket.destroy()
  await server.close()
  await device.close(1000)
})

test('lengths beyond the limits end the connection', async () => {
  const device = await testDevice(ramHandler)
  const path = join(folder, 'limits')
  const server = await serveCdbs(device, path)
  for (const request of [{ cdbLength: 0 }, { cdbLength: 261 }, { cdbLength: 6, outLength: 2 ** 31 }, { cdbLength: 6, inLength: 2 ** 31 }]) {
    const socket = createConnection(path)
    socket.on('error', () => undefined).write(CdbRequest.encode(request))
    await once(socket, 'close')
  }
  await server.close()
  await device.close(1000)
})

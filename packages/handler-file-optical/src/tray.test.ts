import { expectAttention, expectCheck, expectData, expectGood, expectInvalidField, initiatorOf } from '@tcmu/host/testing'
import { sense, senseKey } from '@tcmu/host/scsi'
import { mmcSense } from './sense'
import { drive, DriveBench, hex, image, nexus } from './testing/bench'

const START_STOP = (action: number, immed = 0): number[] => [0x1b, immed, 0, 0, action, 0]
const PREVENT = (bits: number): number[] => [0x1e, 0, 0, 0, bits, 0]
const EJECT = 2
const LOAD = 3
const event = async (b: DriveBench): Promise<number> => (await b.command([0x4a, 1, 0, 0, 0x10, 0, 0, 0, 8, 0], 8)).data[4]!

async function two(): Promise<DriveBench> {
  const b = await drive(100)
  b.shelf.images.set('/b.iso', image(200, 2))
  return b
}
const ready = (b: DriveBench): ReturnType<DriveBench['command']> => b.command([0, 0, 0, 0, 0, 0])
const locked = (a: Awaited<ReturnType<typeof ready>>): void => void expectCheck(a, senseKey.ILLEGAL_REQUEST, mmcSense.MEDIUM_REMOVAL_PREVENTED)

describe('START STOP UNIT', () => {
  test('ejects and loads the same disc again, which is news', async () => {
    const b = await two()
    expectGood(await b.command(START_STOP(EJECT)))
    expect([b.shelf.opened, b.device.blocks]).toEqual([[], 0])
    expectCheck(await ready(b), senseKey.NOT_READY, mmcSense.MEDIUM_NOT_PRESENT_TRAY_OPEN)
    expectData(await b.initiator.requestSense(), hex('70 00 02 00000000 0a 00000000 3a 02 00 000000'))
    expectGood(await b.command(START_STOP(EJECT)))
    expectGood(await b.command(START_STOP(LOAD)))
    expectAttention(await ready(b), sense.NOT_READY_TO_READY_CHANGE_MEDIUM_MAY_HAVE_CHANGED)
    expectGood(await ready(b))
    expect([b.shelf.opened, b.device.blocks]).toEqual([['/a.iso'], 400])
  })
  test('loads what is there by now; nothing, or nothing that can be read, is an empty drive', async () => {
    const b = await two()
    expectGood(await b.command(START_STOP(EJECT)))
    b.shelf.images.delete('/a.iso')
    expectGood(await b.command(START_STOP(LOAD)))
    expectCheck(await ready(b), senseKey.NOT_READY, mmcSense.MEDIUM_NOT_PRESENT_TRAY_CLOSED)
    b.shelf.images.set('/a.iso', Buffer.alloc(0))
    expectGood(await b.command(START_STOP(LOAD)))
    expectCheck(await ready(b), senseKey.NOT_READY, mmcSense.MEDIUM_NOT_PRESENT_TRAY_CLOSED)
    b.shelf.images.set('/a.iso', image(7, 3))
    expectGood(await b.command(START_STOP(LOAD)))
    await ready(b)
    expectData(await b.initiator.readCapacity10(), hex('00000006 00000800'))
    expect(b.log.lines.filter((l) => l.startsWith('warn:'))).toEqual([expect.stringContaining('ENOENT'), expect.stringContaining('E_OPTICAL_EMPTY')])
  })
  test('IMMED answers before the tray has moved; the drive is becoming ready meanwhile', async () => {
    const b = await two()
    expectGood(await b.command(START_STOP(EJECT)))
    let release: () => void = () => undefined
    b.shelf.gate = new Promise((resolve) => (release = resolve))
    expectGood(await b.command(START_STOP(LOAD, 1)))
    expectCheck(await ready(b), senseKey.NOT_READY, mmcSense.BECOMING_READY)
    expectData(await b.initiator.requestSense(), hex('70 00 02 00000000 0a 00000000 04 01 00 000000'))
    const ejecting = b.command(START_STOP(EJECT))
    release()
    expectGood(await ejecting)
    expectAttention(await ready(b), sense.NOT_READY_TO_READY_CHANGE_MEDIUM_MAY_HAVE_CHANGED)
    expectCheck(await ready(b), senseKey.NOT_READY, mmcSense.MEDIUM_NOT_PRESENT_TRAY_OPEN)
  })
  test('power conditions change nothing; what there is not is refused', async () => {
    const b = await two()
    for (const condition of [2, 3, 5]) expectGood(await b.command(START_STOP(condition << 4)))
    for (const condition of [1, 4, 6, 7, 8, 15]) expectInvalidField(await b.command(START_STOP(condition << 4)))
    expectInvalidField(await b.command(START_STOP(4 + EJECT)))
    expectGood(await b.command(START_STOP(0)))
    expectGood(await ready(b))
  })
})

describe('PREVENT ALLOW MEDIUM REMOVAL', () => {
  test('keeps the tray in, for whoever asked and for others, until all allow it', async () => {
    const b = await two()
    const other = await b.another('other')
    expectGood(await b.command(PREVENT(1)))
    expectGood(await other.send(Uint8Array.from(PREVENT(1)), {}))
    locked(await b.command(START_STOP(EJECT)))
    locked(await b.command(START_STOP(EJECT, 1)))
    expectGood(await b.command(PREVENT(0)))
    locked(await b.command(START_STOP(EJECT)))
    expectGood(await other.send(Uint8Array.from(PREVENT(0)), {}))
    expectGood(await b.command(START_STOP(EJECT)))
  })
  test('persistent and plain prevention are two things', async () => {
    const b = await two()
    for (const bits of [1, 3]) expectGood(await b.command(PREVENT(bits)))
    expectGood(await b.command(PREVENT(0)))
    locked(await b.command(START_STOP(EJECT)))
    expectGood(await b.command(PREVENT(2)))
    expectGood(await b.command(START_STOP(EJECT)))
  })
  test('ends with the initiator, and with a reset', async () => {
    const b = await two()
    const gone = nexus('gone')
    expectGood(await initiatorOf(b.device, { nexus: gone }).send(Uint8Array.from(PREVENT(1)), {}))
    b.device.leave(gone)
    expectGood(await b.command(START_STOP(EJECT)))
    expectGood(await b.command(START_STOP(LOAD)))
    await ready(b)
    expectGood(await b.command(PREVENT(3)))
    await b.device.reset()
    await ready(b)
    expectGood(await b.command(START_STOP(EJECT)))
  })
  test('nothing is held back while the tray is out', async () => {
    const b = await two()
    expectGood(await b.command(START_STOP(EJECT)))
    expectCheck(await b.command(PREVENT(1)), senseKey.NOT_READY, mmcSense.MEDIUM_NOT_PRESENT_TRAY_OPEN)
    expectGood(await b.command(PREVENT(0)))
  })
})

describe('the operator', () => {
  test('puts another disc in', async () => {
    const b = await two()
    await b.device.reconfigure({ kind: 'config', config: '/b.iso' })
    expectAttention(await ready(b), sense.NOT_READY_TO_READY_CHANGE_MEDIUM_MAY_HAVE_CHANGED)
    expectData(await b.initiator.readCapacity10(), hex('000000c7 00000800'))
    expect([b.shelf.opened, b.device.config, b.device.blocks]).toEqual([['/b.iso'], '/b.iso', 800])
  })
  test('is refused while it is held, unless he insists; initiators are told that it is wanted', async () => {
    const b = await two()
    expectGood(await b.command(PREVENT(1)))
    for (const change of [{ kind: 'config', config: '/b.iso' }, { kind: 'config', config: '' }, { kind: 'eject', force: false }] as const) {
      await expect(b.device.reconfigure(change)).rejects.toMatchObject({ code: 'E_MEDIUM_LOCKED', message: expect.stringMatching(/held by initiator, which was asked/) as string })
      expect([await event(b), b.shelf.opened]).toEqual([1, ['/a.iso']])
      expectGood(await ready(b))
    }
    await b.device.reconfigure({ kind: 'config', config: '/b.iso', force: true })
    expect([b.shelf.opened, await event(b)]).toEqual([['/b.iso'], 2])
    await b.device.reconfigure({ kind: 'eject', force: false })
    expect(b.shelf.opened).toEqual([])
  })
  test('takes the disc out, puts it back in, or takes it away', async () => {
    const b = await two()
    await b.device.reconfigure({ kind: 'eject', force: false })
    await b.device.reconfigure({ kind: 'eject', force: false })
    await b.device.reconfigure({ kind: 'load' })
    await b.device.reconfigure({ kind: 'load' })
    expect(b.shelf.opened).toEqual(['/a.iso'])
    await b.device.reconfigure({ kind: 'config', config: '' })
    expect(b.shelf.opened).toEqual([])
    await expect(b.device.reconfigure({ kind: 'load' })).rejects.toMatchObject({ code: 'E_NO_DISC' })
    await ready(b)
    expectGood(await b.command(START_STOP(LOAD)))
    expectCheck(await ready(b), senseKey.NOT_READY, mmcSense.MEDIUM_NOT_PRESENT_TRAY_CLOSED)
  })
  test('nothing moves for an image that cannot be read', async () => {
    const b = await two()
    b.shelf.images.set('/empty.iso', Buffer.alloc(0))
    b.shelf.images.set('/huge.iso', image(1))
    b.shelf.sizes.set('/huge.iso', 2 ** 43)
    for (const [config, code] of [['/none.iso', 'ENOENT'], ['/empty.iso', 'E_OPTICAL_EMPTY'], ['/huge.iso', 'E_OPTICAL_SIZE'], ['relative', 'E_CONFIG_REFUSED']] as const) {
      await expect(b.device.reconfigure({ kind: 'config', config })).rejects.toMatchObject({ code })
    }
    expect([b.shelf.opened, b.device.config]).toEqual([['/a.iso'], '/a.iso'])
    expectGood(await ready(b))
  })
  test('can change neither size nor write cache', async () => {
    const b = await two()
    expect(await b.device.reconfigure({ kind: 'size', sizeBytes: 4096 })).toBe(-1)
    expect(await b.device.reconfigure({ kind: 'writeCache', on: true })).toBe(-1)
  })
  test('many at once move the tray one after the other', async () => {
    const b = await two()
    await Promise.all([
      ...Array.from({ length: 20 }, (_, i) => b.device.reconfigure({ kind: 'config', config: i % 2 ? '/a.iso' : '/b.iso' })),
      ...Array.from({ length: 20 }, (_, i) => b.command(START_STOP(i % 2 ? EJECT : LOAD))),
    ])
    await b.device.reconfigure({ kind: 'config', config: '/b.iso' })
    expect(b.shelf.opened).toEqual(['/b.iso'])
  })
})

describe('opening', () => {
  test('a missing or empty image is an empty drive, said in the log', async () => {
    const shelfless = await new DriveBench().open('/none.iso')
    expect(shelfless.log.lines).toEqual([expect.stringMatching(/^warn: test is an empty drive: ENOENT/)])
    expect(shelfless.device.blocks).toBe(0)
  })
  test('any other fault is one', async () => {
    const b = new DriveBench()
    b.shelf.gate = Promise.reject(Object.assign(new Error('EACCES: permission denied'), { code: 'EACCES' }))
    await expect(b.open('/a.iso')).rejects.toMatchObject({ code: 'EACCES' })
  })
  test('blocks of the device up to those of a disc', async () => {
    for (const blockSize of [512, 1024, 2048]) await (await new DriveBench().open('', { blockSize })).close()
    await expect(new DriveBench().open('', { blockSize: 4096 })).rejects.toMatchObject({ code: 'E_OPTICAL_BLOCK_SIZE' })
  })
  test('a size that is given is not looked at', async () => {
    const b = new DriveBench()
    b.shelf.images.set('/a.iso', image(3))
    await b.open('/a.iso', { sizeBytes: 1 << 20 })
    expectData(await b.initiator.readCapacity10(), hex('00000002 00000800'))
  })
})

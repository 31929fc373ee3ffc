import { expectData, expectGood, expectInvalidField, initiatorOf, type ScsiAnswer } from '@tcmu/host/testing'
import { drive, DriveBench, hex, image, nexus } from '../testing/bench'

const cdb = (classes: number, allocation = 8, polled = 1): Uint8Array => Uint8Array.of(0x4a, polled, 0, 0, classes, 0, 0, 0, allocation, 0)
const ask = (b: DriveBench, classes: number, allocation = 8, polled = 1): Promise<ScsiAnswer> => b.command(cdb(classes, allocation, polled), allocation)
const MEDIA = 0x10
const OPERATIONAL = 0x02

test('only the classes there are, by priority', async () => {
  const b = await drive()
  expectData(await ask(b, 0x04), hex('0006 02 56 00 01 0000'))
  expectData(await ask(b, 0x40), hex('0006 06 56 00 00 0000'))
  expectData(await ask(b, 0x54), hex('0006 02 56 00 01 0000'))
  expectData(await ask(b, 0x00), hex('0002 80 56'))
  expectData(await ask(b, 0x28), hex('0002 80 56'))
  expectInvalidField(await ask(b, MEDIA, 8, 0))
})

test('media: each initiator hears of each thing once', async () => {
  const b = await drive()
  const other = initiatorOf(b.device, { nexus: nexus('other') })
  const others = (classes: number): Promise<ScsiAnswer> => other.send(cdb(classes), { dataIn: 8 })
  expectData(await ask(b, MEDIA), hex('0006 04 56 00 02 0000'))
  expectData(await others(MEDIA), hex('0006 04 56 00 02 0000'))
  expectGood(await b.command([0x1b, 0, 0, 0, 2, 0]))
  expectData(await ask(b, MEDIA), hex('0006 04 56 03 01 0000'))
  expectData(await ask(b, MEDIA), hex('0006 04 56 00 01 0000'))
  expectGood(await b.command([0x1b, 0, 0, 0, 3, 0]))
  for (const asking of [() => ask(b, MEDIA), () => others(MEDIA)]) {
    expectData(await asking(), hex('0006 04 56 02 02 0000'))
    expectData(await asking(), hex('0006 04 56 00 02 0000'))
  }
})

test('an event that does not fit stays', async () => {
  const b = await drive()
  await b.device.reconfigure({ kind: 'config', config: '/a.iso' })
  expectData(await ask(b, MEDIA, 4), hex('0006 04 56'))
  expectData(await ask(b, MEDIA), hex('0006 04 56 02 02 0000'))
})

test('another kind of disc is an operational change, another disc of the kind is none', async () => {
  const b = await drive()
  b.shelf.images.set('/dvd.iso', image(1))
  b.shelf.sizes.set('/dvd.iso', 2 ** 31)
  await ask(b, OPERATIONAL)
  expectData(await ask(b, OPERATIONAL), hex('0006 01 56 00 00 0000'))
  await b.device.reconfigure({ kind: 'config', config: '/dvd.iso' })
  expectData(await ask(b, OPERATIONAL | MEDIA), hex('0006 01 56 02 00 0001'))
  expectData(await ask(b, OPERATIONAL | MEDIA), hex('0006 04 56 02 02 0000'))
})

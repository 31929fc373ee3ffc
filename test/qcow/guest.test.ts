import { readFileSync, writeFileSync } from 'node:fs'
import { describeIf, requires } from '../lib/requires'
import { run, runOk } from '../lib/run'
import { bench } from '../lib/serve'
import { Dice } from './lib'


const SECTOR = 512
const FROM = 2048
const TO = 4096
const COUNT = 64

/**
 * A boot sector, 16-bit code: says on the serial port that it runs, has the firmware read 64 sectors from 2048 on (INT 13h,
 * AH=42h) and write them from 4096 on (AH=43h), says how that went, and ends the machine.
 */
const code = Buffer.from(
  'fa31c08ed88ed0bc007cfbbe517ce83400be807cb442b280cd13721a66c706887c00100000be807cb80043b280cd137205be607ceb03be6f7ce80900' +
  'baf400b001eef4ebfdac84c07406baf803eeebf5c3' + Buffer.from('guest: booted\n\0guest: copied\n\0guest: failed\n\0').toString('hex') +
  '6690' + '10004000000000100008000000000000', 'hex')

function bootDisk(data: Buffer): Buffer {
  const disk = Buffer.alloc(TO * SECTOR)
  code.copy(disk)
  disk.writeUInt16LE(0xaa55, SECTOR - 2)
  data.copy(disk, FROM * SECTOR)
  return disk
}

const lack = requires.all(requires.qemu(), requires.command('qemu-system-x86_64', 'qemu-system-x86'))

describeIf(lack, 'a guest that boots from a served image', () => {
  const here = bench()

  test.each([
    ['virtio', 'qcow2', [], 'virtio'],
    ['IDE, compressed below and an overlay on top', 'qcow2', ['-c'], 'ide'],
  ] as const)('over %s', async (_name, format, convert, bus) => {
    const data = new Dice(4).bytes(COUNT * SECTOR)
    const [raw, base, image] = [`raw-${bus}`, `base-${bus}`, `image-${bus}.qcow2`].map((n) => here.path(n)) as [string, string, string]
    writeFileSync(raw, bootDisk(data))
    await runOk('qemu-img', ['convert', '-q', ...convert, '-O', format, raw, base])
    await runOk('qemu-img', ['create', '-q', '-f', 'qcow2', '-b', base, '-F', format, image, '64M'])
    const host = await here.start({ luns: [`name=${bus},cfgstring=qcow/${image}`] })
    const machine = await run('qemu-system-x86_64', [
      '-display', 'none', '-monitor', 'none', '-serial', 'stdio', '-nodefaults', '-no-reboot', '-m', '64', '-accel', 'tcg',
      '-device', 'isa-debug-exit,iobase=0xf4,iosize=4', '-drive', `file=${host.url},format=raw,if=${bus},cache=none`,
    ], { timeoutMs: 120_000 })
    expect(machine.stdout).toContain('guest: booted\nguest: copied\n')
    // isa-debug-exit ends QEMU with twice the value, plus one.
    expect(machine.code).toBe(3)
    expect(await host.end()).toBe(0)
    expect((await run('qemu-img', ['check', image])).code).toBe(0)
    const after = here.path(`after-${bus}`)
    await runOk('qemu-img', ['convert', '-q', '-O', 'raw', image, after])
    expect(readFileSync(after).subarray(TO * SECTOR, (TO + COUNT) * SECTOR).equals(data)).toBe(true)
  })
})

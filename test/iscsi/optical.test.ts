import { readFileSync, writeFileSync } from 'node:fs'
import { Initiator } from '../lib/initiator'
import { senseOf, senses } from '../lib/initiator/sense'
import { bootSector, makeIso, requiresIso } from '../lib/iso'
import { describeIf, requires, testIf } from '../lib/requires'
import { run, runOk } from '../lib/run'
import { bench, cli, type HostProcess } from '../lib/serve'

const LINE = 'booted from the optical drive'
/** What `isa-debug-exit` makes of the 10h that the boot sector writes. */
const EXIT = 0x10 * 2 + 1

const medium = { testUnitReady: Uint8Array.of(0, 0, 0, 0, 0, 0), prevent: Uint8Array.of(0x1e, 0, 0, 0, 1, 0), allow: Uint8Array.of(0x1e, 0, 0, 0, 0, 0), capacity: Uint8Array.of(0x25, 0, 0, 0, 0, 0, 0, 0, 0, 0), mediaEvent: Uint8Array.of(0x4a, 1, 0, 0, 0x10, 0, 0, 0, 8, 0) }

describeIf(requiresIso(), 'an optical drive behind the portal', () => {
  const b = bench()
  let host: HostProcess
  const disc = b.path('disc.iso')
  const tcmuHost = (...args: string[]): ReturnType<typeof run> => run(process.execPath, [cli, ...args, '--socket', b.path('host-0.sock')])

  beforeAll(async () => {
    const files = { 'boot.bin': bootSector(LINE), 'docs/readme.txt': 'read me\n', 'large.bin': Buffer.alloc(3_000_001, 0x5c) }
    await makeIso(disc, files, ['-R', '-J', '-b', 'boot.bin', '-no-emul-boot', '-boot-load-size', '4', '-c', 'boot.cat'])
    writeFileSync(b.path('short.iso'), Buffer.concat([Buffer.alloc(5 * 2048, 7), Buffer.from('end')]))
    host = await b.start({ luns: [`name=cd0,cfgstring=fbo/${disc}`, `name=cd1,blocksize=2048,cfgstring=fbo/${b.path('short.iso')}`, `name=cd2,cfgstring=fbo/${b.path('missing.iso')}`] })
  })

  testIf(requires.libiscsi(), 'iscsi-inq sees an MMC device with a removable medium', async () => {
    const { text } = await runOk('iscsi-inq', [host.url])
    expect(text).toMatch(/Peripheral Device Type:MMC\n/)
    expect(text).toMatch(/Removable:1\n/)
    expect((await runOk('iscsi-inq', ['-e', '1', '-c', '128', host.url])).text).toContain('Unit Serial Number:')
  })

  testIf(requires.qemu(), 'qemu-img reads all of the disc, and nothing that is not on it', async () => {
    await runOk('qemu-img', ['convert', '-f', 'raw', '-O', 'raw', host.url, b.path('copy.iso')])
    expect(readFileSync(b.path('copy.iso')).equals(readFileSync(disc))).toBe(true)
    await runOk('qemu-img', ['convert', '-f', 'raw', '-O', 'raw', host.lun(1), b.path('copy.short')])
    const copy = readFileSync(b.path('copy.short'))
    expect(copy.length).toBe(6 * 2048)
    expect(copy.equals(Buffer.concat([readFileSync(b.path('short.iso'))], 6 * 2048))).toBe(true)
    const empty = await run('qemu-img', ['info', host.lun(2)])
    expect(empty.code).toBe(1)
  })

  const requiresMachine = requires.all(requires.qemu(), requires.command('qemu-system-x86_64', 'qemu-system-x86'))
  for (const [device, how] of [['scsi-generic', 'SCSI command by command'], ['scsi-cd', 'as the contents of a drive of QEMU\'s']] as const) {
    testIf(requiresMachine, `QEMU boots from the disc, ${how}`, async () => {
      const ended = await run('qemu-system-x86_64', [
        '-nodefaults', '-no-user-config', '-display', 'none', '-no-reboot', '-machine', 'pc,accel=tcg', '-m', '64', '-serial', 'stdio',
        '-device', 'isa-debug-exit,iobase=0x501,iosize=1', '-device', 'virtio-scsi-pci',
        '-drive', `file=${host.url},if=none,id=cd,format=raw,readonly=on`, '-device', `${device},drive=cd,bootindex=0`,
      ])
      expect([ended.code, ended.stdout.trim()]).toEqual([EXIT, LINE])
    })
  }

  test('eject and insert: initiators hear of it, and can hold the disc back', async () => {
    const i = await Initiator.open(host.port, { target: host.targetName })
    const ready = async (): Promise<string> => senseOf(await i.command({ cdb: medium.testUnitReady }))
    expect(await ready()).toBe(senses.powerOn)
    expect(await ready()).toBe('')
    const event = async (): Promise<string> => (await i.command({ cdb: medium.mediaEvent, in: 8 })).data.subarray(4, 6).toString('hex')
    expect(await event()).toBe('0002')

    expect((await i.command({ cdb: medium.prevent })).status).toBe(0)
    const refused = await tcmuHost('eject', 'cd0')
    expect([refused.code, refused.text]).toEqual([1, expect.stringMatching(/^tcmu-host: E_MEDIUM_LOCKED: the medium of cd0 is held by .*unmount it there, or force it/)])
    expect(await event()).toBe('0102')
    expect(await ready()).toBe('')
    expect((await i.command({ cdb: medium.allow })).status).toBe(0)

    expect(await tcmuHost('eject', 'cd0')).toMatchObject({ code: 0, stdout: 'the medium of cd0 is out\n' })
    expect([await ready(), await event()]).toEqual(['2/3a02', '0301'])
    expect(await tcmuHost('insert', 'cd0')).toMatchObject({ code: 0, stdout: 'a medium is in cd0\n' })
    expect([await ready(), await ready(), await event()]).toEqual(['6/2800', '', '0202'])

    expect(await tcmuHost('insert', 'cd0', b.path('short.iso'))).toMatchObject({ code: 0 })
    expect([await ready(), (await i.command({ cdb: medium.capacity, in: 8 })).data.toString('hex')]).toEqual(['6/2800', '0000000500000800'])
    expect((await tcmuHost('devices')).stdout).toContain(`fbo/${b.path('short.iso')}`)

    const missing = await tcmuHost('insert', 'cd0', b.path('none.iso'))
    expect([missing.code, missing.text]).toEqual([1, expect.stringMatching(/ENOENT.*none\.iso/)])
    expect(await ready()).toBe('')
    expect((await i.command({ cdb: medium.prevent })).status).toBe(0)
    expect(await tcmuHost('eject', 'cd0', '--force')).toMatchObject({ code: 0 })
    expect(await ready()).toBe('2/3a02')
    await i.logout()
  })

  test('what an initiator holds is let go of when it is gone', async () => {
    const i = await Initiator.open(host.port, { target: host.targetName })
    await i.command({ cdb: medium.testUnitReady, lun: 1 })
    expect((await i.command({ cdb: medium.prevent, lun: 1 })).status).toBe(0)
    expect((await tcmuHost('eject', 'cd1')).code).toBe(1)
    await i.logout()
    expect((await tcmuHost('eject', 'cd1')).code).toBe(0)
  })

  test('names and devices that do not fit', async () => {
    expect((await tcmuHost('eject', 'cd9')).text).toMatch(/^tcmu-host: E_NO_DEVICE: this host has no device "cd9"/)
    expect((await tcmuHost('insert', 'cd2')).text).toMatch(/missing\.iso/)
  })
})

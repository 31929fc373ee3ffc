import { FixedSense, sense, senseKey } from '../../packages/host/src/scsi'
import { cdb } from '../../packages/host/src/testing/cdb'
import { type Answer, Initiator, samStatus } from '../lib/initiator'
import { run, runOk, qemuIo, until } from '../lib/run'
import { describeIf, requires } from '../lib/requires'
import { bench, cli } from '../lib/serve'
import { ceph, cluster } from './ceph'

const MiB = 2 ** 20

describeIf(requires.all(ceph(), requires.qemu(), requires.libiscsi()), 'an image of Ceph as a LUN of the portal', () => {
  const here = bench()
  const made = cluster()
  const capacity = async (url: string): Promise<number> => {
    const { stdout } = await runOk('iscsi-readcapacity16', ['-s', url])
    return Number(stdout)
  }
  const lun = (config: string, more = ''): string => `name=disk,${more}cfgstring=rbd/${config}`

  test('what is written is read, by another initiator and by Ceph itself', async () => {
    const host = await here.start({ luns: [lun(await made.it.image('verified', '64M'))] })
    expect(await capacity(host.url)).toBe(64 * MiB)
    await qemuIo(host.url, ['write -P 0x11 0 8M', 'write -P 0x22 4190208 64k', 'write -f -P 0x33 63M 1M', 'flush', 'read -P 0x11 0 4190208', 'read -P 0x22 4190208 64k'])
    await host.end()
    const file = here.path('verified.raw')
    await made.it.rbd('export', 'rbd/verified', file)
    await qemuIo(file, ['read -P 0x11 0 4190208', 'read -P 0x22 4190208 64k', 'read -P 0x33 63M 1M', 'read -P 0 8M 55M'])
  })

  test('its handler runs in a process of its own', async () => {
    const host = await here.start({ luns: [lun(await made.it.image('apart', '16M'))] })
    const { stdout } = await runOk('pgrep', ['-P', String(host.pid), '-a'])
    expect(stdout).toMatch(/device-host/)
    expect(host.output).not.toMatch(/inline/)
  })

  test('a disk image goes in and comes out the same', async () => {
    const host = await here.start({ luns: [lun(await made.it.image('copied', '32M'))] })
    const [from, to] = [here.path('from.raw'), here.path('to.raw')]
    await runOk('dd', ['if=/dev/urandom', `of=${from}`, 'bs=1M', 'count=32'])
    await runOk('qemu-img', ['convert', '-n', '-f', 'raw', '-O', 'raw', from, host.url])
    await runOk('qemu-img', ['convert', '-f', 'raw', '-O', 'raw', host.url, to])
    await runOk('cmp', [from, to])
    expect((await runOk('qemu-img', ['compare', '-f', 'raw', '-F', 'raw', from, host.url])).text).toMatch(/identical/)
  })

  test('what is discarded is given back, to the sector', async () => {
    const host = await here.start({ luns: [lun(await made.it.image('thin', '64M'))] })
    const stored = async (): Promise<number> => (await made.it.objects()).filter((name) => name.startsWith('rbd_data.')).length
    const before = await stored()
    await qemuIo(host.url, ['write -P 1 0 64M'])
    expect(await stored()).toBe(before + 16)
    await qemuIo(host.url, ['discard 8M 32M', 'discard 1M 4k', 'read -P 0 8M 32M', 'read -P 0 1M 4k', 'read -P 1 1052672 1M'])
    expect(await stored()).toBe(before + 8)
    expect(await made.it.rbd('du', 'rbd/thin')).toMatch(/thin\s+64 MiB\s+32 MiB/)
    await qemuIo(host.url, ['write -z 40M 8M', 'read -P 0 40M 8M'])
    expect(await stored()).toBe(before + 6)
  })

  test('initiators are told when more of it is stored than they wanted, by its handler\'s process', async () => {
    const host = await here.start({ luns: [lun(await made.it.image('filling', '64M'))] })
    const session = await Initiator.open(host.port, { name: 'iqn.2026-11.test:thin', target: host.targetName })
    const send = async (command: Parameters<Initiator['command']>[0]): Promise<Answer> => {
      const answer = await session.command(command)
      return answer.status === samStatus.check && FixedSense.decode(answer.sense).key === senseKey.UNIT_ATTENTION ? send(command) : answer
    }
    const change = async (page: number, subpage: number, edit: (page: Buffer) => void): Promise<void> => {
      const { data } = await send({ cdb: cdb.modeSense6({ page, subpage, dbd: 1 }), in: 192 })
      const list = Buffer.concat([Buffer.alloc(4), data.subarray(4, data[0]! + 1)])
      edit(list.subarray(4))
      expect((await send({ cdb: cdb.modeSelect6({ listLength: list.length }), out: list })).status).toBe(samStatus.good)
    }
    // Of what is used, 8 MiB (SBC-3 6.5.9); LBPERE (SPC-4 7.5.16).
    await change(0x1c, 2, (page) => {
      page[24]! |= 0x80
      page.writeUInt32BE(8, 28)
    })
    await change(0x01, 0, (page) => void (page[7] = 0x80))
    await qemuIo(host.url, ['write -P 1 0 4M'])
    expect((await send({ cdb: cdb.testUnitReady() })).status).toBe(samStatus.good)
    await qemuIo(host.url, ['write -P 1 4M 8M'])
    const attention = async (): Promise<number | undefined> => {
      const { status, sense: data } = await session.command({ cdb: cdb.testUnitReady() })
      return status === samStatus.check ? FixedSense.decode(data).asc : undefined
    }
    await until(async () => (await attention()) === sense.THIN_PROVISIONING_SOFT_THRESHOLD_REACHED.asc, 'the news', 20_000)
    session.destroy()
  })

  test('it is as large as Ceph says, also when that changes', async () => {
    const host = await here.start({ luns: [lun(await made.it.image('growing', '16M'))] })
    await made.it.rbd('resize', '--size', '24M', 'rbd/growing')
    await until(async () => (await capacity(host.url)) === 24 * MiB, 'the new size')
    await made.it.rbd('resize', '--size', '16M', '--allow-shrink', '--no-progress', 'rbd/growing')
    await until(async () => (await capacity(host.url)) === 16 * MiB, 'the smaller size')
  })

  test('a snapshot stays what it was, and is read-only', async () => {
    const first = await here.start({ luns: [lun(await made.it.image('kept', '16M'))] })
    await qemuIo(first.url, ['write -P 5 0 16M'])
    await made.it.rbd('snap', 'create', 'rbd/kept@monday')
    await qemuIo(first.url, ['write -P 6 0 16M'])
    const second = await here.start({ luns: [lun(made.it.config('rbd/kept@monday'))] })
    await qemuIo(second.url, ['read -P 5 0 16M'], ['-r'])
    await expect(qemuIo(second.url, ['write -P 7 0 4k'])).rejects.toThrow(/read.only|protected|Permission/i)
    await qemuIo(second.url, ['read -P 5 0 16M'], ['-r'])
  })

  test('namespaces keep images of one name apart', async () => {
    await made.it.rbd('namespace', 'create', 'rbd/blue')
    await made.it.image('twin', '16M')
    await made.it.rbd('create', '--size', '16M', 'rbd/blue/twin')
    const host = await here.start({ luns: [lun(made.it.config('rbd/twin')).replace('name=disk', 'name=a'), lun(made.it.config('/rbd/blue/twin')).replace('name=disk', 'name=b')] })
    await qemuIo(host.lun(0), ['write -P 1 0 1M'])
    await qemuIo(host.lun(1), ['write -P 2 0 1M', 'read -P 2 0 1M'])
    await qemuIo(host.lun(0), ['read -P 1 0 1M'])
  })

  test.each<[string, string, RegExp]>([
    ['a pool that is not there', 'none/a', /there is no pool none; correct the name, or make it: ceph osd pool create none \(ENOENT\)/],
    ['an image that is not there', 'rbd/none', /there is no image rbd\/none; correct the name, or make it: rbd create rbd\/none --size SIZE/],
    ['a snapshot that is not there', 'rbd/there@none', /there is no rbd\/there@none: no such image, or no such snapshot of it/],
  ])('%s is refused with a sentence', async (_name, spec, sentence) => {
    if (!(await made.it.rbd('ls')).includes('there')) await made.it.image('there', '16M')
    const checked = await run(process.execPath, [cli, 'check', `rbd/${made.it.config(spec)}`])
    expect(checked.code).not.toBe(0)
    expect(checked.text).toMatch(sentence)
  })

  test('a size that is not the image\'s is refused', async () => {
    const config = await made.it.image('sized', '16M')
    await expect(here.start({ luns: [lun(config, 'size=32M,')] })).rejects.toThrow(/E_RBD_SIZE: .*: rbd\/sized has 16777216 bytes, and disk is to have 33554432; give the LUN size=16777216, or change the image: rbd resize --size 33554432B rbd\/sized/)
  })
})

import { bench, type HostProcess } from '../lib/serve'
import { describeIf, requires } from '../lib/requires'
import { run, runOk } from '../lib/run'


describeIf(requires.libiscsi(), `libiscsi's tools`, () => {
  const here = bench()
  let host: HostProcess
  beforeAll(async () => {
    host = await here.start({ luns: [here.fileLun('one', '64M'), here.fileLun('two', '1G')] })
  })

  test('iscsi-ls finds the target', async () => {
    const { stdout } = await runOk('iscsi-ls', [host.portal])
    expect(stdout).toContain(`Target:${host.targetName} Portal:${host.address},1`)
  })

  test('iscsi-ls -s lists every LUN with its size', async () => {
    const { stdout } = await runOk('iscsi-ls', ['-s', host.portal])
    expect(stdout).toMatch(/Lun:0 +Type:DIRECT_ACCESS \(Size:6[37]M?/)
    expect(stdout).toMatch(/Lun:1 +Type:DIRECT_ACCESS \(Size:1[G0]/)
    expect(stdout).not.toContain('Lun:2')
  })

  test('iscsi-inq shows a direct access device with command queuing', async () => {
    const { stdout } = await runOk('iscsi-inq', [host.url])
    expect(stdout).toContain('Peripheral Device Type:DIRECT_ACCESS')
    expect(stdout).toMatch(/CmdQue:1/)
    expect(stdout).toMatch(/Version:[567] /)
  })

  test('iscsi-inq shows each VPD page that page 00h lists', async () => {
    const list = await runOk('iscsi-inq', ['-e', '1', '-c', '0', host.url])
    const pages = [...list.stdout.matchAll(/Page:0x([0-9a-f]{2})/gi)].map((m) => parseInt(m[1]!, 16))
    expect(pages).toEqual([...pages].sort((a, b) => a - b))
    expect(pages).toEqual(expect.arrayContaining([0x00, 0x80, 0x83, 0x86, 0xb0, 0xb1, 0xb2]))
    for (const page of pages) {
      const { code, text } = await run('iscsi-inq', ['-e', '1', '-c', String(page), host.url])
      // The tool can print some pages only. Of the others it must not be the target that refuses.
      if ([0x00, 0x80, 0x83, 0xb0, 0xb1, 0xb2].includes(page)) expect(code).toBe(0)
      else expect(text).toMatch(/failed to unmarshall/)
    }
  })

  test('a VPD page that is not listed is refused', async () => {
    const { code, text } = await run('iscsi-inq', ['-e', '1', '-c', String(0xc7), host.url])
    expect(code).not.toBe(0)
    expect(text).toMatch(/ILLEGAL_REQUEST|INVALID_FIELD_IN_CDB/)
  })

  test('the LUNs have different serial numbers and designators, the same after a restart', async () => {
    const page = async (h: HostProcess, lun: number, code: string): Promise<string> => (await runOk('iscsi-inq', ['-e', '1', '-c', code, h.lun(lun)])).stdout
    const before = await Promise.all([page(host, 0, '128'), page(host, 0, '131'), page(host, 1, '128'), page(host, 1, '131')])
    expect(before[0]).not.toBe(before[2])
    expect(before[1]).not.toBe(before[3])
    expect(await host.end()).toBe(0)
    host = await here.start({ luns: [here.fileLun('one', '64M'), here.fileLun('two', '1G')] })
    const after = await Promise.all([page(host, 0, '128'), page(host, 0, '131'), page(host, 1, '128'), page(host, 1, '131')])
    expect(after).toEqual(before)
  })

  test('iscsi-readcapacity16 shows the size of each LUN', async () => {
    const first = await runOk('iscsi-readcapacity16', [host.lun(0)])
    expect(first.stdout).toMatch(new RegExp(`RETURNED LOGICAL BLOCK ADDRESS:${64 * 2048 - 1}\\b`))
    expect(first.stdout).toMatch(/LOGICAL BLOCK LENGTH IN BYTES:512\b/)
    expect((await runOk('iscsi-readcapacity16', ['-s', host.lun(1)])).stdout.trim()).toBe(String(2 ** 30))
  })

  test('a LUN that is not there is an error, not a hang', async () => {
    const { code } = await run('iscsi-readcapacity16', [host.lun(7)])
    expect(code).not.toBe(0)
  })

  test('a target name that is not there is refused at login', async () => {
    const { code, text } = await run('iscsi-inq', [`${host.portal}/iqn.2026-11.host.tcmu:nobody/0`])
    expect(code).not.toBe(0)
    expect(text).toMatch(/target not found|0x0203|not.*found/i)
  })
})

describeIf(requires.qemu(), 'qemu-img', () => {
  const here = bench()
  test('qemu-img info shows a raw image of the size of the LUN', async () => {
    const host = await here.start()
    const { stdout } = await runOk('qemu-img', ['info', '--output=json', host.url])
    expect(JSON.parse(stdout)).toMatchObject({ format: 'raw', 'virtual-size': 64 * 2 ** 20 })
  })
})

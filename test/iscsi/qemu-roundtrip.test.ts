import { createHash, randomBytes } from 'node:crypto'
import { closeSync, createReadStream, openSync, statSync, writeSync } from 'node:fs'
import { bench, type HostProcess } from '../lib/serve'
import { describeIf, requires } from '../lib/requires'
import { qemuIo, run, runOk } from '../lib/run'

const MiB = 2 ** 20

function randomImage(path: string, bytes: number): void {
  const fd = openSync(path, 'wx')
  for (let at = 0; at < bytes; at += MiB) writeSync(fd, randomBytes(Math.min(MiB, bytes - at)))
  closeSync(fd)
}

const digest = (path: string): Promise<string> => new Promise((resolve, reject) => {
  const hash = createHash('sha256')
  createReadStream(path).on('data', (d) => hash.update(d)).on('end', () => resolve(hash.digest('hex'))).on('error', reject)
})

describeIf(requires.qemu(), 'qemu-img convert', () => {
  const here = bench()
  test('stores a random image of 256 MiB and finds it identical', async () => {
    const host = await here.start({ luns: [here.fileLun('disk', '256M')] })
    randomImage(here.path('random.raw'), 256 * MiB)
    await runOk('qemu-img', ['convert', '-n', '-f', 'raw', '-O', 'raw', here.path('random.raw'), host.url], { timeoutMs: 120_000 })
    const compared = await runOk('qemu-img', ['compare', '-f', 'raw', '-F', 'raw', here.path('random.raw'), host.url], { timeoutMs: 120_000 })
    expect(compared.stdout).toContain('Images are identical.')
    await runOk('qemu-img', ['convert', '-f', 'raw', '-O', 'raw', host.url, here.path('back.raw')], { timeoutMs: 120_000 })
    expect(await digest(here.path('back.raw'))).toBe(await digest(here.path('random.raw')))
    expect(await host.end()).toBe(0)
    expect(await digest(here.path('disk.img'))).toBe(await digest(here.path('random.raw')))
  })

  test('compare tells when a few bytes differ', async () => {
    const host = await here.start({ luns: [here.fileLun('other', '16M')] })
    randomImage(here.path('small.raw'), 16 * MiB)
    await runOk('qemu-img', ['convert', '-n', '-f', 'raw', '-O', 'raw', here.path('small.raw'), host.url])
    const fd = openSync(here.path('small.raw'), 'r+')
    writeSync(fd, randomBytes(16), 0, 16, 9 * MiB + 4096)
    closeSync(fd)
    const { code, stdout } = await run('qemu-img', ['compare', '-f', 'raw', '-F', 'raw', here.path('small.raw'), host.url])
    expect(code).toBe(1)
    expect(stdout).toMatch(/Content mismatch at offset 9441280/)
  })
})

describeIf(requires.qemu(), 'qemu-io', () => {
  const here = bench()
  let host: HostProcess
  beforeAll(async () => {
    host = await here.start()
  })

  test('reads back what it wrote, at odd places and sizes', async () => {
    await qemuIo(host.url, [
      'write -P 0x11 0 512', 'write -P 0x22 512 4k', 'write -P 0x33 1M 1M', 'write -P 0x44 63M 1M', 'write -P 0x55 5120 65024', 'flush',
      'read -P 0x11 0 512', 'read -P 0x22 512 4k', 'read -P 0x33 1M 1M', 'read -P 0x44 63M 1M', 'read -P 0x55 5120 65024',
    ])
    await qemuIo(host.url, ['read -P 0x44 63M 1M', 'read -P 0x33 1M 1M', 'read -P 0x22 512 4k'])
  })

  test('a pattern that is not there is noticed', async () => {
    await qemuIo(host.url, ['write -P 0x77 2M 64k'])
    await expect(qemuIo(host.url, ['read -P 0x78 2M 64k'])).rejects.toThrow(/Pattern verification failed/)
  })

  test('many requests at once', async () => {
    const writes = Array.from({ length: 64 }, (_, i) => `aio_write -q -P ${i + 1} ${8 * MiB + i * 65536} 64k`)
    const reads = Array.from({ length: 64 }, (_, i) => `read -P ${i + 1} ${8 * MiB + i * 65536} 64k`)
    await qemuIo(host.url, [...writes, 'aio_flush', 'flush', ...reads])
  })

  test('vectored requests', async () => {
    await qemuIo(host.url, ['writev -P 0x61 16M 512 4k 1k 64k 512', 'readv -P 0x61 16M 64k 4k 2k', 'flush'])
  })

  test('force unit access', async () => {
    await qemuIo(host.url, ['write -f -P 0x62 17M 128k', 'read -P 0x62 17M 128k'])
  })

  test('discarded and zeroed ranges read as zeroes and give their storage back', async () => {
    await qemuIo(host.url, ['write -P 0x7f 32M 8M', 'flush'])
    const full = statSync(here.path('disk.img')).blocks * 512
    await qemuIo(host.url, ['discard 32M 4M', 'write -z 36M 1M', 'write -z -u 37M 1M', 'flush'], ['-d', 'unmap'])
    await qemuIo(host.url, ['read -P 0 32M 6M', 'read -P 0x7f 38M 2M'])
    expect(full - statSync(here.path('disk.img')).blocks * 512).toBeGreaterThanOrEqual(4 * MiB)
  })

  test('nothing is read or written beyond the end', async () => {
    const { text } = await run('qemu-io', ['-f', 'raw', '-c', 'write -P 1 64M 512', '-c', 'read 64M 512', host.url])
    expect(text.match(/Input\/output error|Invalid argument|failed/gi)?.length).toBeGreaterThanOrEqual(2)
    expect(statSync(here.path('disk.img')).size).toBe(64 * MiB)
  })
})

describeIf(requires.qemu(), 'other LUNs', () => {
  const here = bench()
  test('a write protected one can be read only', async () => {
    const first = await here.start({ luns: [here.fileLun('disk', '16M')] })
    await qemuIo(first.url, ['write -P 0x12 0 1M', 'flush'])
    expect(await first.end()).toBe(0)
    const host = await here.start({ luns: [`name=disk,readonly,cfgstring=file/${here.path('disk.img')}`] })
    await qemuIo(host.url, ['read -P 0x12 0 1M'], ['-r'])
    const { code, text } = await run('qemu-io', ['-f', 'raw', '-c', 'write -P 0x34 0 1M', host.url])
    expect(code).not.toBe(0)
    expect(text).toMatch(/read.?only|write protected/i)
    await qemuIo(host.url, ['read -P 0x12 0 1M'], ['-r'])
  })

  test('blocks of 4096 bytes', async () => {
    const host = await here.start({ luns: [`name=big,size=16M,blocksize=4096,cfgstring=file/${here.path('big.img')}`] })
    expect((await runOk('iscsi-readcapacity16', [host.url])).stdout).toMatch(/LOGICAL BLOCK LENGTH IN BYTES:4096\b/)
    await qemuIo(host.url, ['write -P 0x61 0 4k', 'write -P 0x62 4k 1M', 'write -P 0x63 100 300', 'flush', 'read -P 0x63 100 300', 'read -P 0x61 400 3696', 'read -P 0x62 4k 1M'])
  })

  test('four at a time, each its own file', async () => {
    const host = await here.start({ luns: ['a', 'b', 'c', 'd'].map((n) => here.fileLun(n, '16M')) })
    await Promise.all([0, 1, 2, 3].map((n) => qemuIo(host.lun(n), [`write -P ${n + 1} 0 16M`, 'flush'])))
    await Promise.all([0, 1, 2, 3].map((n) => qemuIo(host.lun(n), [`read -P ${n + 1} 0 16M`])))
  })

  test('header digests', async () => {
    const host = await here.start({ luns: [here.fileLun('digest', '16M')] })
    const image = `driver=raw,file.driver=iscsi,file.transport=tcp,file.portal=${host.address},file.target=${host.targetName},file.lun=0,file.header-digest=crc32c`
    const { text } = await runOk('qemu-io', ['--image-opts', '-c', 'write -P 0x71 0 4M', '-c', 'flush', '-c', 'read -P 0x71 0 4M', image])
    expect(text).not.toMatch(/failed|error/i)
    expect(host.output).toMatch(/"HeaderDigest":"CRC32C"/)
  })
})

import { connect, createServer, type Server } from 'node:net'
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { gluster, glusterLack } from './gluster'
import { describeIf } from '../lib/requires'
import { BLOCK, connections, fill, holds, MiB, volumes } from './glfs-lib'

const refused = async (attempt: Promise<unknown>): Promise<string> => attempt.then(() => 'not refused', (e: Error) => e.message)

describeIf(glusterLack(), 'a file of a Gluster volume', () => {
  const node = gluster('vol', 'other')
  const at = volumes(node)

  test('is made when that is asked for, with the size of the LUN, and found again', async () => {
    const s = await at.make('new.img', 8 * MiB)
    await fill(s, 7, 4096, 8192)
    expect(await s.disk.synchronizeCache()).toMatchObject({ status: 0 })
    await s.device.close(1000)
    expect(statSync(node().brickFile('vol', 'new.img')).size).toBe(8 * MiB)
    const again = await at.serve(at.config('new.img'), { sizeBytes: 0 })
    expect(again.device.blocks * BLOCK).toBe(8 * MiB)
    await holds(again, 7, 4096, 8192)
    await holds(again, 0, 0, 4096)
  })

  test('is not made otherwise', async () => {
    expect(await refused(at.serve(at.config('none.img')))).toMatch(/: vol@127\.[\d.]+\/none\.img is not there\. Correct the path, or have it made: option `create`, and a size for the LUN/)
    expect(await refused(at.serve(at.config('none.img'), { sizeBytes: 0, options: { create: true } }))).toMatch(/^E_GLFS_MISSING: .*have it made/)
    expect(await refused(at.make('no/such/folder.img'))).toMatch(/^E_GLFS_MISSING/)
    expect(await refused(at.serve(at.config('.')))).toMatch(/^E_GLFS_FOLDER: .* is a folder; name a file/)
  })

  test('of a volume or server that is not there is refused with a sentence', async () => {
    expect(await refused(at.serve(at.config('x', 'nosuch')))).toMatch(/^E_CONFIG_REFUSED: .*: the servers of nosuch@.* know no volume nosuch, or do not tell/)
    expect(await refused(at.serve('vol@127.77.0.0/x'))).toMatch(/: the servers of vol@127\.77\.0\.0\/x could not be reached \(ENOTCONN\)/)
    expect(await refused(at.serve('vol@no-such-host.invalid/x'))).toMatch(/could not be reached/)
    await node().killBrick('other')
    expect(await refused(at.make('x', MiB, { config: at.config('x', 'other') }))).toMatch(/^E_CONFIG_REFUSED: .* glusterd answers, but no brick of other does/)
    await node().startBrick('other')
  })

  test('of another size than the LUN is refused', async () => {
    await (await at.make('sized.img', 4 * MiB)).device.close(1000)
    expect(await refused(at.serve(at.config('sized.img'), { sizeBytes: 8 * MiB }))).toMatch(/^E_GLFS_SIZE: .*sized\.img has 4194304 bytes, and test is to have 8388608; give the LUN size=4194304/)
  })

  test('gives storage back: UNMAP and zeroes', async () => {
    const s = await at.make('thin.img', 8 * MiB)
    await fill(s, 5, 0, 4 * MiB)
    expect(await s.disk.synchronizeCache()).toMatchObject({ status: 0 })
    const full = node().storage('vol', 'thin.img')
    expect(full).toBeGreaterThanOrEqual(4 * MiB)
    expect(await s.disk.unmap([{ lba: MiB / BLOCK, blocks: 2 * MiB / BLOCK }])).toMatchObject({ status: 0 })
    expect(await s.disk.synchronizeCache()).toMatchObject({ status: 0 })
    expect(node().storage('vol', 'thin.img')).toBeLessThanOrEqual(full - 2 * MiB)
    await holds(s, 5, 0, MiB)
    await holds(s, 0, MiB, 2 * MiB)
    await holds(s, 5, 3 * MiB, MiB)
    expect(await s.disk.writeSame({ lba: 1, blocks: 7 }, Buffer.alloc(BLOCK))).toMatchObject({ status: 0 })
    await holds(s, 0, BLOCK, 7 * BLOCK)
    expect(await s.disk.writeSame({ lba: 1, blocks: 3 }, Buffer.alloc(BLOCK, 3))).toMatchObject({ status: 0 })
    await holds(s, 3, BLOCK, 3 * BLOCK)
    await holds(s, 5, 0, BLOCK)
  })

  test('grows with its LUN, and is never cut off', async () => {
    const s = await at.make('grow.img', 4 * MiB)
    expect(await s.device.reconfigure({ kind: 'size', sizeBytes: 6 * MiB })).toBe(0)
    expect(statSync(node().brickFile('vol', 'grow.img')).size).toBe(6 * MiB)
    expect(await s.disk.testUnitReady()).toMatchObject({ status: 2 })
    await fill(s, 9, 6 * MiB - BLOCK, BLOCK)
    await expect(s.device.reconfigure({ kind: 'size', sizeBytes: 2 * MiB })).rejects.toThrow(/E_GLFS_RESIZE: .*is never cut off/)
    expect(statSync(node().brickFile('vol', 'grow.img')).size).toBe(6 * MiB)
  })

  test('is not made larger by a write beyond the end of its LUN', async () => {
    const s = await at.make('short.img', 4 * MiB)
    await fill(s, 9, 0, 4 * MiB)
    expect(await s.disk.synchronizeCache()).toMatchObject({ status: 0 })
    const lba = 4 * MiB / BLOCK
    expect(await s.disk.write(lba, Buffer.alloc(BLOCK, 1))).toMatchObject({ status: 2 })
    expect(statSync(node().brickFile('vol', 'short.img')).size).toBe(4 * MiB)
  })

  test('has a log of libgfapi where that is asked for, and nowhere else', async () => {
    const logs = (): readonly string[] => (existsSync('/var/log/glusterfs') ? readdirSync('/var/log/glusterfs') : []).filter((name) => name.startsWith(node().address))
    const logFile = join(node().folder, 'client.log')
    const s = await at.make('logged.img', MiB, { options: { logFile, logLevel: 'debug' } })
    await fill(s, 1, 0, BLOCK)
    expect(readFileSync(logFile, 'utf8')).toMatch(/vol-client-0/)
    expect(logs()).toEqual([])
  })

  test('shares its connection with others of the volume', async () => {
    const before = connections()
    const two = [await at.make('one.img'), await at.make('two.img')]
    expect(connections()).toBe(Math.max(before, 1))
    for (const [i, s] of two.entries()) await fill(s, i + 1, 0, MiB)
    for (const [i, s] of two.entries()) await holds(s, i + 1, 0, MiB)
    await two[0]!.device.close(1000)
    await holds(two[1]!, 2, 0, MiB)
    const other = await at.make('x.img', MiB, { config: at.config('x.img', 'other') })
    expect(connections()).toBe(Math.max(before, 1) + 1)
    await fill(other, 1, 0, BLOCK)
  })

  describe('by every way to a server', () => {
    let proxy: Server
    beforeAll(async () => {
      // glusterd listens on an IPv4 address: this is its door for IPv6 and for other ports.
      proxy = createServer((from) => {
        const to = connect({ host: node().address, port: 24007 })
        from.on('error', () => to.destroy()).pipe(to).on('error', () => from.destroy()).pipe(from)
      })
      await new Promise<void>((resolve) => proxy.listen(0, '::', resolve))
      await (await at.make('door.img', MiB)).device.close(1000)
    })
    afterAll(() => void proxy.close())

    test.each([
      ['an IPv6 address and a port', (port: number) => `[::1]:${port}`], ['a name and a port', (port: number) => `localhost:${port}`],
      ['several hosts, the first of which is not there', () => `127.77.0.0:9,${node().address}`], ['its socket', () => `[${node().socket}]`],
    ])('%s', async (_name, server) => {
      const { port } = proxy.address() as { port: number }
      const s = await at.serve(`vol@${server(port)}/door.img`, { sizeBytes: 0 })
      await fill(s, 4, 0, 4096)
      await holds(s, 4, 0, 4096)
      await s.device.close(1000)
    })
  })
})

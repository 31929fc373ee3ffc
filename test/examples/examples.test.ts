import { DescriptorSense, FixedSense } from '@tcmu/host/scsi'
import { cdb } from '@tcmu/host/testing'
import { Initiator } from '../../packages/iscsi/src/testing/initiator'
import { describeIf, requires } from '../lib/requires'
import { qemuIo, run, runOk } from '../lib/run'
import { ObjectServer } from './object-server'
import { type ExampleProgram, programs } from './program'

const start = programs()
const target = 'iqn.2026-11.host.tcmu:default'
const login = (program: ExampleProgram, isid = 1): Promise<Initiator> => Initiator.login(program.port, { TargetName: target }, Uint8Array.of(0x80, 0, 0, 0, 0, isid))
const senseOf = (bytes: Uint8Array): { key: number; asc: number } => {
  const { key, asc } = bytes[0]! >= 0x72 ? DescriptorSense.decode(bytes) : FixedSense.decode(bytes)
  return { key, asc }
}
const roundTrip = ['write -P 0x11 0 512', 'write -P 0x22 512 4k', 'write -P 0x33 1M 1M', 'flush', 'read -P 0x11 0 512', 'read -P 0x22 512 4k', 'read -P 0x33 1M 1M']

describeIf(requires.all(requires.qemu(), requires.libiscsi()), 'examples/consumer', () => {
  test('its own loop serves one disk', async () => {
    const program = await start('consumer')
    await qemuIo(program.urls[0]!, [...roundTrip, 'read -P 0 4M 1M', 'write -z 1M 64k', 'read -P 0 1M 64k', 'read -P 0x33 1088k 64k'])
    expect((await runOk('iscsi-readcapacity16', [program.urls[0]!])).stdout).toMatch(/Total size:16777216/)
    expect((await runOk('iscsi-inq', [program.urls[0]!])).stdout).toMatch(/TCMU device/)
    expect(await program.end()).toBe(0)
    expect(program.output).not.toMatch(/"level":"(error|warn)"/)
  })
})

describeIf(requires.qemu(), 'examples/ram', () => {
  test('two disks of one handler', async () => {
    const program = await start('ram')
    await Promise.all([qemuIo(program.urls[0]!, roundTrip), qemuIo(program.urls[1]!, ['write -P 0x44 0 4M', 'read -P 0x44 0 4M'])])
    await qemuIo(program.urls[0]!, ['discard 1M 512k', 'read -P 0x33 1536k 512k'], ['-d', 'unmap'])
    expect(await program.end()).toBe(0)
  })
})

describeIf(requires.qemu(), 'examples/passthrough', () => {
  let program: ExampleProgram
  beforeAll(async () => {
    program = await start('passthrough')
  })

  test('what is written to one is read from the other', async () => {
    await qemuIo(program.urls[1]!, roundTrip)
    await qemuIo(program.urls[0]!, ['read -P 0x11 0 512', 'read -P 0x33 1M 1M', 'write -P 0x55 2M 64k'])
    await qemuIo(program.urls[1]!, ['read -P 0x55 2M 64k'])
  })

  test('data, sense data and residual are those of the other', async () => {
    const it = await login(program)
    for (const lun of [0, 1, 2, 3]) await it.settle(lun)
    const asked = [
      { cdb: cdb.inquiry({ allocation: 96 }), in: 96 }, { cdb: cdb.inquiry({ evpd: 1, page: 0x83 }), in: 255 }, { cdb: cdb.readCapacity16(), in: 32 },
      { cdb: cdb.modeSense6({ page: 8 }), in: 192 }, { cdb: cdb.read10({ lba: 0, blocks: 2 }), in: 4096 }, { cdb: cdb.read10({ lba: 0, blocks: 2 }), in: 700 },
      { cdb: cdb.read10({ lba: 40_000, blocks: 1 }), in: 512 }, { cdb: Uint8Array.of(0xc1, 0, 0, 0, 0, 0), in: 64 }, { cdb: cdb.inquiry({ page: 7 }), in: 96 },
    ]
    for (const command of asked) {
      const [direct, through] = [await it.command({ ...command, lun: 0 }), await it.command({ ...command, lun: 1 })]
      expect({ ...through, dataIn: 0, collapsed: false }).toEqual({ ...direct, dataIn: 0, collapsed: false })
    }
    const refused = await it.command({ cdb: cdb.write10({ lba: 0, blocks: 1 }), out: Buffer.alloc(512), immediate: 512, lun: 3 })
    expect([refused.status, senseOf(refused.sense)]).toEqual([2, { key: 7, asc: 0x2700 }])
    it.close()
  })

  test('a unit attention of the other comes through to each initiator', async () => {
    const [one, two] = [await login(program, 2), await login(program, 3)]
    for (const it of [one, two]) for (const lun of [0, 1]) await it.settle(lun)
    const sensed = (await one.command({ cdb: cdb.modeSense10({ page: 0x0a }), in: 64, lun: 1 })).data
    const parameters = Buffer.concat([Buffer.alloc(8), sensed.subarray(8 + sensed.readUInt16BE(6))])
    parameters[8]! &= 0x7f
    parameters[10]! ^= 4
    const selected = await one.command({ cdb: cdb.modeSelect10({ listLength: parameters.length }), out: parameters, immediate: parameters.length, lun: 1 })
    expect(selected.status).toBe(0)
    const heard = await two.command({ cdb: cdb.testUnitReady(), lun: 1 })
    expect([heard.status, senseOf(heard.sense)]).toEqual([2, { key: 6, asc: 0x2a01 }])
    one.close()
    two.close()
  })

  test('of one that is not there it is said', async () => {
    const it = await login(program, 4)
    await it.settle(0)
    let lost = await it.command({ cdb: cdb.testUnitReady(), lun: 4 })
    while (senseOf(lost.sense).key === 6) lost = await it.command({ cdb: cdb.testUnitReady(), lun: 4 })
    expect([lost.status, senseOf(lost.sense)]).toEqual([2, { key: 2, asc: 0x0800 }])
    it.close()
  })
})

describeIf(requires.qemu(), 'examples/s3-like', () => {
  const store = new ObjectServer()
  let program: ExampleProgram
  beforeAll(async () => {
    program = await start('s3-like', { BUCKET: await store.listen(), SIZE: '16M' })
  })
  afterEach(() => void (store.mischief = () => undefined))
  afterAll(() => store.close())

  test('blocks are objects', async () => {
    await qemuIo(program.urls[0]!, [...roundTrip, 'read -P 0 8M 1M'])
    expect([...store.objects.keys()].sort()).toEqual(['chunk-0', ...Array.from({ length: 16 }, (_, i) => `chunk-${i + 16}`)].sort())
    expect(store.objects.get('chunk-0')![511]).toBe(0x11)
    await qemuIo(program.urls[0]!, ['discard 1M 1M', 'read -P 0 1M 1M'], ['-d', 'unmap'])
    expect([...store.objects.keys()]).toEqual(['chunk-0'])
  })

  test('many small writes to one object at a time: none is lost', async () => {
    const at = (i: number): number => 2 * 2 ** 20 + i * 4096
    await qemuIo(program.urls[0]!, [...Array.from({ length: 16 }, (_, i) => `aio_write -q -P ${i + 1} ${at(i)} 4k`), 'aio_flush', ...Array.from({ length: 16 }, (_, i) => `read -P ${i + 1} ${at(i)} 4k`)])
    expect(store.requests.filter((r) => r === 'PUT chunk-32').length).toBeGreaterThanOrEqual(16)
  })

  test('what fails for now is tried again', async () => {
    store.mischief = (_method, _name, n) => (n % 3 === 0 ? 503 : n % 5 === 0 ? 'hang up' : undefined)
    await qemuIo(program.urls[0]!, ['write -P 0x66 4M 512k', 'read -P 0x66 4M 512k'])
  })

  test.each([
    [500, 'PUT', { key: 3, asc: 0x0c00 }], [507, 'PUT', { key: 7, asc: 0x2707 }], [403, 'PUT', { key: 7, asc: 0x2700 }], [500, 'GET', { key: 3, asc: 0x1100 }],
  ] as const)('HTTP %d of %s is told in sense data', async (status, method, expected) => {
    store.mischief = (m) => (m === method ? status : undefined)
    const it = await (await login(program)).settle()
    const answer = method === 'PUT'
      ? await it.command({ cdb: cdb.write10({ lba: 16384, blocks: 8 }), out: Buffer.alloc(4096), immediate: 4096 })
      : await it.command({ cdb: cdb.read10({ lba: 0, blocks: 8 }), in: 4096 })
    expect([answer.status, senseOf(answer.sense)]).toEqual([2, expected])
    it.close()
  })

  test('an error does not harm the disk', async () => {
    const { text } = await run('qemu-io', ['-f', 'raw', '-c', 'read -P 0x11 0 512', '-c', 'read -P 0x66 4M 512k', program.urls[0]!])
    expect(text).not.toMatch(/failed|error/i)
  })
})

import { HostLog } from './log'
import { cdbText, traceCommands } from './trace'
import { cdb, directly, Initiator, ramHandler, testDevice } from './testing'

const device = (name: string) => testDevice(ramHandler, { name })
async function traced(...names: readonly string[]) {
  const lines: string[] = []
  const log = new HostLog({}, false, { write: (line) => void lines.push(line) })
  const all = await Promise.all(names.map(async (name) => {
    const d = await device(name)
    traceCommands(log.logger.child({ device: name, handler: 'ram' }), d)
    return { d, it: new Initiator(directly(d), 512) }
  }))
  const traces = (): { msg: string; device: string; command: string }[] =>
    lines.map((l) => JSON.parse(l) as { level: string; msg: string; device: string; command: string }).filter((l) => l.level === 'trace')
  return { log, all, traces }
}

test('a CDB as the C daemon writes it', () => {
  const bytes = cdb.read10({ lba: 0x1200, blocks: 16 })
  expect(cdbText({ cdb: bytes, cdbLength: bytes.length })).toBe('28 0 0 0 12 0 0 0 10 0')
})

test('commands are logged at level 5, of one device or of all, from the moment it is set and until it is taken back', async () => {
  const { log, all: [a, b], traces } = await traced('a', 'b')
  await a!.it.testUnitReady()
  expect(a!.d.trace).toBeUndefined()
  log.apply({ deviceLevels: { b: 5 } })
  expect([a!.d.trace, typeof b!.d.trace]).toEqual([undefined, 'function'])
  await a!.it.testUnitReady()
  await b!.it.testUnitReady()
  log.apply({ level: 'debug-scsi-cmd' })
  await a!.it.send(cdb.inquiry(), { dataIn: 36 })
  log.apply({ level: 3 })
  await a!.it.testUnitReady()
  expect(traces().map((t) => [t.device, t.command, t.msg])).toEqual([
    ['b', 'TEST UNIT READY', '0 0 0 0 0 0'], ['a', 'INQUIRY', '12 0 0 0 ff 0'],
  ])
  expect(a!.d.trace).toBeUndefined()
})

test('a closed device is not followed any more', async () => {
  const { log, all: [a] } = await traced('a')
  await a!.d.close(100)
  log.apply({ level: 5 })
  expect(a!.d.trace).toBeUndefined()
})

import { readFileSync, writeFileSync } from 'node:fs'
import { until } from '../lib/run'
import { inRepository } from '../lib/repository'
import { cdb, type Initiator, initiatorOf, LogLines, testDevice } from '@tcmu/host/testing'
import life from './life'

/** What the page about writing a handler says is called when: as it is called here. */
const page = inRepository('test/docs-examples/life/calls.txt')
const log = new LogLines()
const taken = (): string[] => log.lines.splice(0).filter((l) => l.startsWith('info: ')).map((l) => l.slice('info: '.length)).filter((l) => !/is open again/.test(l))
const block = new Uint8Array(512)

type Step = (it: Initiator, device: Awaited<ReturnType<typeof testDevice>>) => Promise<unknown>
const steps: readonly (readonly [string, Step])[] = [
  ['INQUIRY, READ CAPACITY, MODE SENSE', async (it) => [await it.inquiry(), await it.send(cdb.readCapacity16(), { dataIn: 32 }), await it.send(cdb.modeSense6({ page: 0x3f }), { dataIn: 192 })]],
  ['WRITE(10)', (it) => it.write(0, block)],
  ['READ(10)', (it) => it.read({ lba: 0, blocks: 1 })],
  ['SYNCHRONIZE CACHE(10)', (it) => it.synchronizeCache()],
  ['WRITE(10) with FUA', (it) => it.write(0, block, { fua: 1 })],
  ['UNMAP', (it) => it.unmap([{ lba: 0, blocks: 8 }])],
  ['WRITE SAME(16), COMPARE AND WRITE: the host makes them', async (it) => [await it.writeSame({ lba: 8, blocks: 2 }, block), await it.compareAndWrite(8, new Uint8Array(1024))]],
  ['the administrator changes the size', (_, device) => device.reconfigure({ kind: 'size', sizeBytes: 2 << 20 })],
  ['the backend is lost, and found', async (it, device) => {
    await it.write(device.blocks - 1, block)
    await until(() => device.state === 'running', 'opened again')
  }],
  ['the device goes', (_, device) => device.close(1000)],
]

test('callbacks in call order', async () => {
  const device = await testDevice({ ...life, checkConfig: (...a) => (log.info('checkConfig'), life.checkConfig!(...a)) }, { log, recovery: { firstMs: 10, maxMs: 10, graceMs: 1000 } })
  const it = initiatorOf(device)
  const lines = [['the device comes', taken().join(', ')]]
  for (const [what, step] of steps) {
    await step(it, device)
    lines.push([what, taken().join(', ') || 'nothing: the host answers'])
  }
  const width = Math.max(...lines.map(([what]) => what!.length)) + 2
  const text = lines.map(([what, calls]) => `${what!.padEnd(width)}${calls}\n`).join('')
  if (process.env['UPDATE_DOCS']) writeFileSync(page, text)
  expect(text).toBe(readFileSync(page, 'utf8'))
})

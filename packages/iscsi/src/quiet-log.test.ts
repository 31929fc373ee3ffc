import { LogLines } from '@tcmu/host/testing'
import { QuietLog } from './quiet-log'
import { Initiator } from './testing/initiator'
import { Portals } from './testing/bench'

const portals = new Portals()
afterEach(() => portals.end())

class Facts extends LogLines {
  readonly facts: (object | undefined)[] = []
  override warn(message: string, facts?: object): void {
    super.warn(message)
    this.facts.push(facts)
  }
}

test('an address has so many lines, and then one now and again with how many there were', () => {
  const log = new Facts()
  let now = 0
  const quiet = new QuietLog(log, () => now)
  for (let n = 0; n < 1000; n++) quiet.of('10.0.0.1').warn('wrong')
  expect(log.lines).toHaveLength(20)
  quiet.of('10.0.0.2').warn('someone else')
  expect(log.lines).toHaveLength(21)
  now = 5000
  for (let n = 0; n < 10; n++) quiet.of('10.0.0.1').warn('again', { n })
  expect([log.lines.length, log.facts.at(-1)]).toEqual([22, { n: 0, leftOut: 980 }])
  now = 10_000_000
  for (let n = 0; n < 100; n++) quiet.of('10.0.0.1').warn('later')
  expect(log.lines).toHaveLength(42)
})

test('ever new addresses have no more lines than many', () => {
  const log = new Facts()
  const quiet = new QuietLog(log, () => 0)
  for (let n = 0; n < 10_000; n++) quiet.of(`fe80::${n.toString(16)}`).warn('wrong')
  expect(log.lines.length).toBeLessThanOrEqual(256 + 20)
})

test('a flood of bad logins is a few lines', async () => {
  const b = await portals.make()
  for (let n = 0; n < 60; n++) {
    const i = await Initiator.connect(b.port)
    await i.step({ transit: 1, currentStage: 1, nextStage: 3 }, [['InitiatorName', 'iqn.x:y'], ['TargetName', 'iqn.x:nobody']])
    i.close()
  }
  expect(b.log.lines.filter((l) => l.startsWith('warn')).length).toBeLessThanOrEqual(21)
  expect(b.log.lines.some((l) => l.includes('there is no target'))).toBe(true)
})

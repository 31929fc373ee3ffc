import fc from 'fast-check'
import { createLog, handlerLog, humanLine, levelNumber } from './log'

const bench = (level: number | string, human = false): { lines: string[]; log: ReturnType<typeof createLog> } => {
  const lines: string[] = []
  return { lines, log: createLog({ level, human, to: { write: (l) => void lines.push(l) } }) }
}

test.each([
  [0, 0], [5, 5], [9, 5], [-1, 0], ['3', 3], ['crit', 0], ['WARNING', 2], ['debug-scsi-cmd', 5], ['loud', undefined], ['', undefined], [1.5, undefined], ['constructor', undefined],
])('level %j is %j', (level, number) => expect(levelNumber(level)).toBe(number))

test.each([[0, 1], [1, 2], [2, 3], [3, 4], [4, 5], [5, 6]])('at level %d there are %d of six lines', (level, count) => {
  const { lines, log } = bench(level)
  for (const write of ['fatal', 'error', 'warn', 'info', 'debug', 'trace'] as const) log[write]('x')
  expect(lines).toHaveLength(count)
})

test('a line is one JSON object with level, time and what the device is called', () => {
  const { lines, log } = bench(3)
  const device = handlerLog(log, { device: 'disk0', handler: 'file' })
  device.warn('almost\nfull', { free: 3 })
  device.debug('not said')
  expect(lines).toHaveLength(1)
  expect(lines[0]).toMatch(/^\{.*\}\n$/)
  expect(JSON.parse(lines[0]!)).toMatchObject({ level: 'warn', time: expect.stringMatching(/^\d{4}-.*Z$/), device: 'disk0', handler: 'file', msg: 'almost\nfull', free: 3 })
})

test('on a terminal it is a short line, whatever a handler writes', () => {
  const { lines, log } = bench(3, true)
  handlerLog(log, { device: 'disk0' }).error('bell \u0007 and\nline', { n: 1, stack: 'Error: x\n    at here' })
  expect(lines).toEqual([expect.stringMatching(/^\d\d:\d\d:\d\d\.\d{3} ERROR bell \\u\{7\} and\\u\{a\}line \(device=disk0 n=1\)\n {4}at here\n$/)])
})

test('any record is one line for people, but for its stack', () => {
  fc.assert(fc.property(fc.record({ msg: fc.anything(), level: fc.string(), time: fc.string(), x: fc.jsonValue() }), (record) => {
    expect(humanLine(JSON.stringify(record)).trimEnd()).not.toMatch(/[\r\n\u001b]/)
  }))
  expect(humanLine('no JSON')).toBe('no JSON')
})

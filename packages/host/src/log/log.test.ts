import { mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { handlerLog, HostLog, type LogSettings } from '../log'
import { LOG_FILE } from './file'
import { runnerLine } from './line'
import { Repeats } from './repeats'

const folder = mkdtempSync(join(tmpdir(), 'tcmu-log-'))
afterAll(() => rmSync(folder, { recursive: true }))
const PREFIX = /^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3} \d+ \[(CRIT|ERROR|WARN|INFO|DEBUG|DEBUG_SCSI_CMD)\] \S+:\d+/

describe('lines of the C daemon', () => {
  test('have local time, process, level, place, device and message', () => {
    const time = new Date(2026, 10, 2, 3, 4, 5, 6).toISOString()
    expect(runnerLine(JSON.stringify({ level: 'warn', time, pid: 7, device: 'disk0', handler: 'file', lba: 3, msg: 'almost\nfull' })))
      .toBe('2026-11-02 03:04:05.006 7 [WARN] host:0 file/disk0: almost\\u{a}full (lba=3)\n')
    expect(runnerLine(JSON.stringify({ level: 'fatal', time, pid: 7, frontend: 'iscsi', msg: 'x', stack: 'Error: x\n    at y' }))).toBe('2026-11-02 03:04:05.006 7 [CRIT] iscsi:0: x (stack=at y)\n')
    expect(runnerLine(JSON.stringify({ level: 'trace', time, pid: 7, msg: '0 0' }))).toContain(' [DEBUG_SCSI_CMD] host:0: 0 0\n')
    expect(runnerLine('no JSON')).toBe('no JSON')
  })
  test.each(['100', '0001-06-01T00:00:00Z', '-000100-01-01T00:00:00Z', '+012345-01-01T00:00:00Z', 'nonsense', ''])('a year has four digits, whatever a record says (%s)', (time) => {
    expect(runnerLine(JSON.stringify({ time }))).toMatch(PREFIX)
  })
  test('any record is one line with its prefix', () => {
    fc.assert(fc.property(fc.record({ msg: fc.anything(), level: fc.string(), time: fc.string(), device: fc.jsonValue(), stack: fc.string(), x: fc.jsonValue() }, { requiredKeys: [] }), (record) => {
      const line = runnerLine(JSON.stringify(record))
      expect(line).toMatch(PREFIX)
      expect(line.slice(0, -1)).not.toMatch(/[\r\n\u001b]/)
    }))
  })
})

describe('repeated lines', () => {
  const line = (msg: string, n: number): string => `${JSON.stringify({ level: 'info', time: `2026-01-01T00:00:00.${String(n).padStart(3, '0')}Z`, pid: 1, msg })}\n`
  test('come once, and as a count', () => {
    const out: string[] = []
    const repeats = new Repeats({ write: (l) => void out.push(l) })
    for (let i = 0; i < 10; i++) for (const m of ['a', 'b']) repeats.write(line(m, i))
    expect(out).toHaveLength(2)
    repeats.flush()
    expect(out.slice(2).map((l) => JSON.parse(l) as object)).toEqual(['a', 'b'].map((m) => expect.objectContaining({ msg: `${m} [9 times more]`, time: '2026-01-01T00:00:00.009Z' })))
    repeats.write(line('a', 11))
    expect(out).toHaveLength(5)
    repeats.flush()
    expect(out).toHaveLength(5)
  })
  test('the count comes by itself when the time is up', async () => {
    const out: string[] = []
    const repeats = new Repeats({ write: (l) => void out.push(l) }, 20)
    repeats.write(line('a', 1))
    repeats.write(line('a', 2))
    await new Promise((r) => setTimeout(r, 100))
    expect(out).toEqual([line('a', 1), expect.stringContaining('a [1 times more]')])
  })
  test('no line is lost: every one is written or counted', () => {
    fc.assert(fc.property(fc.array(fc.integer({ min: 0, max: 20 })), (which) => {
      const out: string[] = []
      const repeats = new Repeats({ write: (l) => void out.push(l) })
      which.forEach((w, i) => repeats.write(line(`m${w}`, i)))
      repeats.flush()
      const told = out.map((l) => Number(/\[(\d+) times more\]/.exec(l)?.[1] ?? 1)).reduce((a, b) => a + b, 0)
      expect(told).toBe(which.length)
    }))
  })
})

describe('the log of a daemon', () => {
  let n = 0
  const build = (settings: LogSettings): { log: HostLog; stderr: string[] } => {
    const stderr: string[] = []
    return { log: new HostLog(settings, false, { write: (l) => void stderr.push(l) }), stderr }
  }
  const dir = (): string => join(folder, `d${n++}`, 'deep')
  const text = (directory: string): string => readFileSync(join(directory, LOG_FILE), 'utf8')
  /** The file is opened behind our back. */
  const written = async (directory: string, what: string): Promise<string> => {
    for (const end = Date.now() + 5000; Date.now() < end; await new Promise((r) => setTimeout(r, 5))) {
      try {
        if (text(directory).includes(what)) return text(directory)
      } catch { /* not there yet */ }
    }
    throw new Error(`${what} was not written: ${text(directory)}`)
  }

  test('goes to the file in the old format and to stderr as JSON; the file is for its owner alone', async () => {
    const directory = dir()
    const { log, stderr } = build({ directory, level: 5 })
    handlerLog(log.logger, { device: 'disk0', handler: 'file' }).error('oh')
    log.logger.trace('12 0 0')
    const said = await written(directory, '12 0 0')
    expect(said.trimEnd().split('\n')).toEqual([expect.stringMatching(/ \[ERROR\] host:0 file\/disk0: oh$/), expect.stringMatching(/ \[DEBUG_SCSI_CMD\] host:0: 12 0 0$/)])
    expect(stderr.map((l) => (JSON.parse(l) as { msg: string }).msg)).toEqual(['oh'])
    expect(statSync(join(directory, LOG_FILE)).mode & 0o777).toBe(0o600)
    expect(statSync(directory).mode & 0o777).toBe(0o755)
  })

  test('in JSON by choice', async () => {
    const directory = dir()
    const { log } = build({ directory, format: 'json' })
    log.logger.info({ a: 1 }, 'x')
    expect(JSON.parse(await written(directory, '"x"'))).toMatchObject({ level: 'info', a: 1, msg: 'x' })
  })

  test('levels of single devices, and of all, change under loggers that are there', () => {
    const { log, stderr } = build({ level: 3, deviceLevels: { a: 'debug', b: 1 } })
    const [a, b, other] = ['a', 'b', 'c'].map((device) => handlerLog(log.logger, { device }))
    const said = (): number => {
      stderr.length = 0
      for (const [i, l] of [a!, b!, other!, handlerLog(log.logger, { frontend: 'x' })].entries()) {
        l.debug(`d${i}${Math.random()}`)
        l.info(`i${i}${Math.random()}`)
      }
      return stderr.length
    }
    expect(said()).toBe(2 + 0 + 1 + 1)
    log.apply({ level: 4 })
    expect(said()).toBe(8)
    log.apply({ level: 'error', deviceLevels: { b: 5 } })
    expect(said()).toBe(2)
  })

  test('moved away and told so, it goes on in a new file; in another folder when the folder is another', async () => {
    const [one, other] = [dir(), dir()]
    const { log } = build({ directory: one })
    log.logger.info('first')
    await written(one, 'first')
    renameSync(join(one, LOG_FILE), join(one, 'old'))
    log.reopen()
    for (const end = Date.now() + 5000; Date.now() < end;) {
      try {
        statSync(join(one, LOG_FILE))
        break
      } catch {
        await new Promise((r) => setTimeout(r, 5))
      }
    }
    log.logger.info('second')
    expect(await written(one, 'second')).not.toContain('first')
    log.apply({ directory: other })
    log.logger.info('third')
    expect(await written(other, 'third')).not.toContain('second')
    log.apply({ directory: `${other}/.` })
    log.logger.info('fourth')
    expect(await written(other, 'fourth')).toContain('third')
  })

  test('a folder that cannot be had is an error, and nothing changes; a file that cannot is only told', () => {
    const file = join(folder, 'file')
    writeFileSync(file, '')
    expect(() => build({ directory: join(file, 'x') })).toThrow(/^E_LOG_DIR: the folder of logs .*ENOTDIR/)
    expect(() => build({ directory: `/${'x'.repeat(4100)}` })).toThrow(/^E_LOG_DIR: .*longer than 4063 bytes/)
    const { log, stderr } = build({ level: 3 })
    expect(() => log.apply({ directory: join(file, 'x'), level: 5 })).toThrow(/E_LOG_DIR/)
    log.logger.debug('no')
    expect(stderr).toEqual([])
    const taken = dir()
    mkdirSync(join(taken, LOG_FILE), { recursive: true })
    const second = build({ directory: taken })
    second.log.logger.info('still here')
    expect(second.stderr.join('')).toMatch(/does not open.*still here/s)
  })

  test('whoever logs never waits: beyond the limit lines are dropped and counted', async () => {
    const directory = dir()
    const { log, stderr } = build({ directory })
    await new Promise((r) => setTimeout(r, 50))
    const big = 'x'.repeat(64 * 1024)
    for (let i = 0; i < 200; i++) log.logger.info(`${i} ${big}`)
    for (const end = Date.now() + 10_000; Date.now() < end && !stderr.some((l) => /lines were dropped/.test(l));) await new Promise((r) => setTimeout(r, 10))
    const dropped = Number(/(\d+) lines were dropped/.exec(stderr.join(''))![1])
    expect(dropped).toBeGreaterThan(50)
    expect(dropped).toBeLessThan(200)
  })
})

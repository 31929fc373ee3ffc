import { byReason, parseCunit } from '../lib/cunit'
import { type Lack, describeIf, requires } from '../lib/requires'
import { run } from '../lib/run'
import { bench } from '../lib/serve'
import { listedTests } from '../lib/test-tool'

const DEADLINE_MS = 600_000
/** The tool's reasons to skip that any disk may give, and those of other kinds of disks. */
const free: readonly RegExp[] = [
  /^Logical unit is not removable/, /^Media is not removable/, /^WRITEATOMIC16 is not implemented/, /^WRITESAME1[06] does not support 0-blocks/,
  /^SANITIZE .*is not implemented/, /^LBPPB < 2/, /^Logical unit is not write-protected/,
]

/** Run all tests of libiscsi's tool over two paths against a LUN of 100 MiB, whose cfgstring `make` gives. */
export function wholeToolOn(what: string, lack: Lack, make: () => Promise<string>): void {
  describeIf(requires.all(lack, requires.command('iscsi-test-cu', 'libiscsi-bin')), `libiscsi's test tool, on ${what}`, () => {
    const here = bench()
    test('nothing fails, and what is skipped a disk need not have', async () => {
      const host = await here.start({ luns: [`name=disk,cfgstring=${await make()}`] })
      const { text } = await run('iscsi-test-cu', ['-v', '-t', 'ALL', '-d', '-S', host.url, host.url], { timeoutMs: DEADLINE_MS })
      const tests = parseCunit(text)
      const of = (result: string) => tests.filter((t) => t.result === result)
      const named = (result: string): string[] => of(result).map((t) => `${t.suite}.${t.name}: ${t.reason}`)
      process.stdout.write(`iscsi-test-cu, ${what}: ${of('passed').length} passed, ${of('failed').length} failed, ${of('skipped').length} skipped\n${byReason(of('skipped')).map(([reason, t]) => `  ${t.length} ${reason}\n`).join('')}`)
      expect(tests.map((t) => `ALL.${t.suite}.${t.name}`).sort()).toEqual(listedTests('ALL').sort())
      expect([...named('failed'), ...named('unfinished')]).toEqual([])
      expect(of('skipped').filter((t) => !free.some((r) => r.test(t.reason))).map((t) => `${t.suite}.${t.name}: ${t.reason}`)).toEqual([])
      expect(await host.end()).toBe(0)
      expect(host.output).not.toMatch(/uncaught|unhandled|TypeError|RangeError/i)
    }, DEADLINE_MS + 60_000)
  })
}

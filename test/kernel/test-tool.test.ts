import { readFileSync } from 'node:fs'
import { type CunitTest, parseCunit } from '../lib/cunit'
import { inRepository } from '../lib/repository'
import { kernelCases } from './cases'

/** Characters of a failed test's output. */
const MOST_SHOWN = 400
const IQN = 'iqn.2026-11.test.lio:tool'

interface Known { readonly runner: string; readonly fileio: string }

/** What tcmu-runner's user:file and the kernel's fileio made of each test, measured in the same VM. `varies`: not the same in two runs. */
const known = new Map(readFileSync(inRepository('test/fixtures/iscsi-test-cu/lio.tsv'), 'utf8').split('\n')
  .filter((line) => line !== '' && !line.startsWith('#'))
  .map((line): [string, Known] => {
    const [name, runner, fileio] = line.split('\t') as [string, string, string]
    return [name, { runner, fileio }]
  }))

/**
 * The kernel does not know how much a CDB that it passes on would move, so it tells initiators of no overflow: whatever answers on
 * a TCMU ring fails these, and fileio fails those of them that write.
 */
const ofPassthrough = 'iSCSIResiduals'

const nameOf = (t: CunitTest): string => `${t.suite}.${t.name}`
const count = (values: readonly string[], value: string): number => values.filter((v) => v === value).length

function table(tests: readonly CunitTest[]): string {
  const columns: [string, string[]][] = [
    ['this host', tests.map((t) => t.result)], ['tcmu-runner', [...known.values()].map((k) => k.runner)], ['kernel fileio', [...known.values()].map((k) => k.fileio)],
  ]
  const totals = columns.map(([who, results]) =>
    `  ${who.padEnd(16)}${['passed', 'failed', 'skipped', 'varies'].map((r) => `${count(results, r)} ${r}`.padEnd(14)).join('')}`)
  const rows = tests.filter((t) => t.result !== known.get(nameOf(t))?.runner).map((t) => {
    const was = known.get(nameOf(t))
    return `  ${nameOf(t).padEnd(40)}${t.result.padEnd(12)}${(was?.runner ?? '-').padEnd(12)}${(was?.fileio ?? '-').padEnd(12)}${t.reason.slice(0, 100)}`
  })
  return `iscsi-test-cu over LIO iSCSI, ${tests.length} tests\n${totals.join('\n')}\n  ${'other than with tcmu-runner'.padEnd(40)}this host   tcmu-runner fileio\n${rows.join('\n')}\n`
}

kernelCases(`libiscsi's test tool over LIO`, {
  setup: `
    serve
    backstore disk file//tmp/disk.img 536870912
    t=$lio/iscsi/${IQN}/tpgt_1; mkdir -p $t/np/0.0.0.0:3260 $t/lun/lun_0; ln -s $core/disk $t/lun/lun_0/disk
    for set in generate_node_acls=1 demo_mode_write_protect=0 cache_dynamic_acls=1 authentication=0; do echo \${set#*=} > $t/attrib/\${set%=*}; done
    echo 1 > $t/enable`,
  cases: {
    'not one test fails that passes with tcmu-runner': `
      timeout 1500 iscsi-test-cu -v -t ALL -d iscsi://127.0.0.1/${IQN}/0 2>&1
      echo "the tool ended with $?"
      alive || fail 'the host ended'
      ! grep -E '"level":"(error|fatal)"' /run/host.log | tail -n 5 | grep . || fail 'the host complains'`,
    'and the host is well': `
      step devices tcmu-host devices; says running running; no_d_state
      rm $lio/iscsi/${IQN}/tpgt_1/lun/lun_0/disk; echo 0 > $lio/iscsi/${IQN}/tpgt_1/enable
      rmdir $lio/iscsi/${IQN}/tpgt_1/lun/lun_0 $lio/iscsi/${IQN}/tpgt_1/np/0.0.0.0:3260; remove disk
      end_daemon TERM`,
  },
  look: {
    'not one test fails that passes with tcmu-runner': (printed) => {
      const tests = parseCunit(printed)
      process.stdout.write(table(tests))
      expect(tests.map(nameOf).sort()).toEqual([...known.keys()].sort())
      const worse = tests.filter((t) => t.result !== 'passed' && t.result !== 'skipped' && known.get(nameOf(t))!.runner === 'passed')
      expect(worse.map((t) => `${nameOf(t)} ${t.result}: ${t.output.slice(0, MOST_SHOWN)}`)).toEqual([])
      const alone = tests.filter((t) => t.result === 'failed' && known.get(nameOf(t))!.fileio !== 'failed' && t.suite !== ofPassthrough)
      expect(alone.map((t) => `${nameOf(t)}: ${t.output.slice(0, MOST_SHOWN)}`)).toEqual([])
    },
  },
})

// fio on a tcm_loop disk, this host and Debian's tcmu-runner in turns in one boot of the VM:
//
//   npm run build && node scripts/kernel-vm.mjs && node test/lib/ts.cjs test/bench/kernel-fio.ts [ROUNDS] [OPTIONS OF serve]
//
// Two handlers of the runner's, each beside ours of the same kind: zbc with conventional zones, a file with a header that is read on the thread
// that waits for the ring; and its file handler, which Debian's package leaves out, where `npm run bench` has compiled it from Debian's source
// package. Our file handler beside its zbc as well: the fastest that Debian installs.
// Emulation makes instructions dear and system calls cheap beside them: take the ratios, and those as counts of instructions.
import { existsSync } from 'node:fs'
import { inRepository } from '../lib/repository'
import { Vm } from '../kernel/vm'

const SECONDS = 4
const WARM_UP_SECONDS = 8
const MiB = 2 ** 20
const jobs = [
  ['random read 4 KiB, depth 1', 'randread 4k 1'], ['random read 4 KiB, depth 32', 'randread 4k 32'],
  ['random write 4 KiB, depth 1', 'randwrite 4k 1'], ['random write 4 KiB, depth 32', 'randwrite 4k 32'],
  ['sequential read 128 KiB, depth 8', 'read 128k 8'], ['sequential write 128 KiB, depth 8', 'write 128k 8'],
] as const

const ZBC = 'zsize-16/conv-15'
const pairs = [['file', 'file (C)'], ['zbc', 'zbc (C)'], ['file', 'zbc (C)']] as const
const runnersFile = inRepository('node_modules/.cache/tcmu/bench/handler_file.so')

const script = (rounds: number, files: boolean, options: string): string => `
jobs() {
  local job; sd=$(disk 0)
  fio --name=fill --filename=/dev/$sd --rw=write --bs=1M --size=192M --direct=1 --ioengine=libaio > /dev/null || fail fill
  # Code that the compiler has seen, on emulated processors.
  fio --name=warm --filename=/dev/$sd --rw=randrw --bs=4k --iodepth=32 --size=192M --direct=1 --ioengine=libaio --time_based --runtime=${WARM_UP_SECONDS} > /dev/null || fail warm
  while read -r rw bs depth; do
    job=$(fio --name=j --filename=/dev/$sd --rw=$rw --bs=$bs --iodepth=$depth --size=192M --direct=1 --ioengine=libaio --time_based --runtime=${SECONDS} --output-format=terse --terse-version=3) || fail "$rw"
    echo "result $rw $bs $depth $(echo "$job" | awk -F';' '{ print $8 + $49 }') $1"
  done <<< "${jobs.map(([, job]) => job).join('\n')}"
}
mkdir -p /etc/tcmu; : > /etc/tcmu/tcmu.conf
cp /usr/share/tcmu-runner/tcmu-runner.conf /etc/dbus-1/system.d/ 2> /dev/null
dbus-send --system --dest=org.freedesktop.DBus / org.freedesktop.DBus.ReloadConfig
runner() { # FOLDER CFGSTRING NAME
  tcmu-runner --handler-path $1 > /run/c.log 2>&1 & c=$!
  for i in $(seq 100); do dbus-send --system --print-reply --dest=org.freedesktop.DBus / org.freedesktop.DBus.NameHasOwner string:org.kernel.TCMUService1 2> /dev/null | grep -q true && break; sleep 0.1; done
  make c $2 ${256 * MiB} || { cat /run/c.log; fail "$2"; }
  lun 0 c; jobs "$3"; unlun 0; remove c; kill $c; wait $c
}
mkdir -p /opt/zbc /opt/file; cp /usr/lib/x86_64-linux-gnu/tcmu-runner/handler_file_zbc.so /opt/zbc/
${files ? 'cat $(drive cfile) > /opt/file/handler_file.so' : ''}
host() { # CFGSTRING NAME
  serve ${options}; make d $1 ${256 * MiB} || fail "$1"
  lun 0 d; jobs "$2"; unlun 0; remove d; end_daemon TERM
}
for round in $(seq ${rounds}); do
  host file//tmp/d.img file
  ${files ? "truncate -s 256M /tmp/c.img; runner /opt/file file//tmp/c.img 'file (C)'" : ''}
  host zbc/${ZBC}@/tmp/d.zbc zbc
  runner /opt/zbc zbc/${ZBC}@/tmp/c.zbc 'zbc (C)'
  rm -f /tmp/*.img /tmp/*.zbc
done`

const median = (list: number[]): number => list.sort((a, b) => a - b)[list.length >> 1] ?? NaN

function table(text: string, own: string, peer: string): string | undefined {
  const results = [...text.matchAll(/^result (\S+ \S+ \d+) ([\d.]+) (.+)$/gm)].map(([, job, iops, who]) => ({ job, iops: Number(iops), who }))
  if (!results.some((r) => r.who === peer)) return undefined
  const of = (who: string, job: string): number[] => results.filter((r) => r.who === who && r.job === job).map((r) => r.iops)
  const rows = jobs.map(([title, job]) => {
    const [ours, theirs] = [of(own, job), of(peer, job)]
    const ratios = ours.map((n, i) => n / theirs[i]!)
    return `| ${title} | ${Math.round(median([...ours]))} | ${Math.round(median([...theirs]))} | ${median([...ratios]).toFixed(2)} (${Math.min(...ratios).toFixed(2)} to ${Math.max(...ratios).toFixed(2)}) |`
  })
  return [`| workload | ${own}, IOPS | ${peer}, IOPS | ratio, median and range |`, '|---|---|---|---|', ...rows, ''].join('\n')
}

export async function main(rounds = '3', ...options: string[]): Promise<void> {
  const files = existsSync(runnersFile)
  const vm = new Vm({ name: 'fio', processors: 2, memory: '3G', script: script(Number(rounds), files, options.join(' ')), runMs: 2_400_000, ...(files && { drives: { cfile: runnersFile } }) })
  try {
    const text = await vm.ended()
    for (const [own, peer] of pairs) console.log(table(text, own, peer) ?? '')
  } finally {
    await vm.close()
  }
}

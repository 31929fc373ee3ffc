// fio on a tcm_loop disk, this host and Debian's tcmu-runner in turns in one boot of the VM:
//
//   npm run build && node scripts/kernel-vm.mjs && node test/lib/ts.cjs test/bench/kernel-fio.ts [ROUNDS]
//
// Debian's package has no file handler: its side is the zbc handler with conventional zones, which is a file with a header.
// Emulation makes instructions dear and system calls cheap beside them: take the ratios, and those as counts of instructions.
import { Vm } from '../kernel/vm'

const SECONDS = 4
const MiB = 2 ** 20
const jobs = [
  ['random read 4 KiB, depth 1', 'randread 4k 1'], ['random read 4 KiB, depth 32', 'randread 4k 32'],
  ['random write 4 KiB, depth 1', 'randwrite 4k 1'], ['random write 4 KiB, depth 32', 'randwrite 4k 32'],
  ['sequential read 128 KiB, depth 8', 'read 128k 8'], ['sequential write 128 KiB, depth 8', 'write 128k 8'],
] as const

const script = (rounds: number): string => `
jobs() {
  local job; sd=$(disk 0)
  fio --name=fill --filename=/dev/$sd --rw=write --bs=1M --size=192M --direct=1 --ioengine=libaio > /dev/null || fail fill
  while read -r rw bs depth; do
    job=$(fio --name=j --filename=/dev/$sd --rw=$rw --bs=$bs --iodepth=$depth --size=192M --direct=1 --ioengine=libaio --time_based --runtime=${SECONDS} --output-format=terse --terse-version=3) || fail "$rw"
    echo "result $1 $rw $bs $depth $(echo "$job" | awk -F';' '{ print $8 + $49 }')"
  done <<< "${jobs.map(([, job]) => job).join('\n')}"
}
mkdir -p /opt/c /etc/tcmu; cp /usr/lib/x86_64-linux-gnu/tcmu-runner/handler_file_zbc.so /opt/c/; : > /etc/tcmu/tcmu.conf
cp /usr/share/tcmu-runner/tcmu-runner.conf /etc/dbus-1/system.d/ 2> /dev/null
dbus-send --system --dest=org.freedesktop.DBus / org.freedesktop.DBus.ReloadConfig
for round in $(seq ${rounds}); do
  tcmu-runner --handler-path /opt/c > /run/c.log 2>&1 & c=$!
  for i in $(seq 100); do dbus-send --system --print-reply --dest=org.freedesktop.DBus / org.freedesktop.DBus.NameHasOwner string:org.kernel.TCMUService1 2> /dev/null | grep -q true && break; sleep 0.1; done
  make c zbc/zsize-16/conv-15@/tmp/c.zbc ${256 * MiB} || { cat /run/c.log; fail 'zbc'; }
  lun 0 c; jobs c; unlun 0; remove c; kill $c; wait $c
  serve; make d file//tmp/d.img ${256 * MiB} || fail file
  lun 0 d; jobs host; unlun 0; remove d; end_daemon TERM
done`

const median = (list: number[]): number => list.sort((a, b) => a - b)[list.length >> 1] ?? NaN

export async function main(rounds = '3'): Promise<void> {
  const vm = new Vm({ name: 'fio', memory: '3G', script: script(Number(rounds)), runMs: 900_000 })
  try {
    const text = await vm.ended()
    const results = [...text.matchAll(/^result (\S+) (.+) ([\d.]+)$/gm)]
    const of = (who: string, job: string): number[] => results.filter((r) => r[1] === who && r[2] === job).map((r) => Number(r[3]))
    console.log('| workload | this host, IOPS | Debian\'s tcmu-runner, IOPS | ratio, median and range |\n|---|---|---|---|')
    for (const [title, job] of jobs) {
      const [ours, theirs] = [of('host', job), of('c', job)]
      const ratios = ours.map((n, i) => n / theirs[i]!)
      console.log(`| ${title} | ${Math.round(median([...ours]))} | ${Math.round(median([...theirs]))} | ${median([...ratios]).toFixed(2)} (${Math.min(...ratios).toFixed(2)} to ${Math.max(...ratios).toFixed(2)}) |`)
    }
  } finally {
    await vm.close()
  }
}

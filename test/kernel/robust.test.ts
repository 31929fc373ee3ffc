import { kernelCases } from './cases'

const KILLS = Number(process.env['TCMU_KILLS'] ?? 20)
/** Seconds that kernel and initiator give a command. */
const TIME_OUT = 300
const fixtures = '/opt/tcmu/test/fixtures/handlers'
/** Inline: the data that it keeps is then memory of the kernel, not a copy in another process. */
const host = `serve --handler-path ${fixtures}/keeper --placement keeper=inline`

/** fio that writes and verifies until it is told to end, and what must be so then. */
const load = `
  load() { fio --name=v --filename=/dev/$1 --direct=1 --ioengine=libaio --rw=randwrite --bs=4k --iodepth=16 --verify=crc32c --verify_backlog=256 \\
    --verify_fatal=1 --verify_state_save=0 --time_based --runtime=3600 > /run/fio.out 2>&1 & fio=$!; }
  loaded() { kill -0 $fio 2> /dev/null || { cat /run/fio.out; fail 'fio ended'; }; }
  unloaded() {
    sleep 1; loaded; kill -INT $fio; wait $fio
    grep -q 'err= 0' /run/fio.out || { cat /run/fio.out; fail 'fio found an error'; }
    dmesg | grep -iE 'broken|I/O error|offlin' && fail 'the kernel complains'
    no_d_state; grep -oE '(read|write): IOPS[^(]*' /run/fio.out
  }
  unblocked() { [ "$(cat $core/$1/action/block_dev)" = unblocked ] || fail "$1 is $(cat $core/$1/action/block_dev)"; }
  generic() { ls /sys/block/$1/device/scsi_generic; }
  await_long() { local end=$((SECONDS + 200)); while [ $SECONDS -lt $end ]; do eval "$2" && { echo "ok $1"; return; }; nap 0.1; done; tail -n 20 /run/host.log; fail "$1"; }`

kernelCases('what the host withstands', {
  processors: 2,
  setup: `${load}
${host}`,
  cases: {
    'kill -9 at random moments under fio with verification loses nothing, and no initiator sees an error': `
      # The host may take longer to start here than the kernel waits by default.
      backstore d0 file//tmp/d0.img 33554432; echo ${TIME_OUT} > $core/d0/attrib/cmd_time_out; lun 0 d0; sd=$(disk 0)
      echo ${TIME_OUT} > /sys/block/$sd/device/timeout
      load $sd
      for n in $(seq ${KILLS}); do
        sleep 0.$((RANDOM % 90 + 10)); loaded
        kill -9 $(daemon); wait $(daemon) 2> /dev/null
        if [ $((n % 5)) = 0 ]; then
          # The next one dies while it starts.
          tcmu-host serve --frontend tcmu --no-dbus --handler-path ${fixtures}/keeper --placement keeper=inline > /dev/null 2>> /run/host.log < /dev/null & early=$!
          sleep $((RANDOM % 4)).$((RANDOM % 90 + 10)); kill -9 $early; wait $early 2> /dev/null
        fi
        at=$(date +%s%N); ${host} > /run/serve.out || { cat /run/serve.out; exit 1; }
        echo "ready after $((($(date +%s%N) - at) / 1000000)) ms"; unblocked d0
      done
      unloaded`,
    'SIGTERM under load drains': `
      sd=$(disk 0); load $sd
      for n in 1 2 3; do
        sleep 1; loaded; end_daemon TERM; unblocked d0; no_d_state; ${host}
      done
      unloaded`,
    'abort and LUN reset reach the handler, and only its own device waits': `
      sd=$(disk 0); other=$sd; exposed 1 k0 keeper//run/k0 1048576
      sg=$(generic $sd); sleep 2; touch /run/k0.gate
      (sg_raw -t 4 -r 512 /dev/$sg 28 00 00 00 00 08 00 00 01 00 > /run/sg.out 2>&1; echo "sg $?" >> /run/sg.out) & waiting=$!
      verify $other --size=2M --bs=4k
      wait $waiting; cat /run/sg.out
      grep -qx aborted /run/k0.log || fail 'the handler heard of no abort'
      count=$(grep -cx aborted /run/k0.log)
      (sg_raw -t 400 -r 512 /dev/$sg 28 00 00 00 00 10 00 00 01 00 > /run/sg.out 2>&1; echo "sg $?" >> /run/sg.out) & waiting=$!
      sleep 1; LIMIT=400 step 'LUN reset' sg_reset --device /dev/$sg
      await_long 'the handler hears of it' '[ $(grep -cx aborted /run/k0.log) -gt '$count' ]'
      rm /run/k0.gate; wait $waiting
      eventually 'the device answers' sg_turs /dev/$sg
      step 'and reads' dd if=/dev/$sd of=/dev/null bs=4k count=4 iflag=direct
      no_d_state`,
    'what a handler keeps of commands that are over is dead': `
      sd=$(disk 1); : > /run/k0.log
      for n in 1 2 3 4 5; do dd if=/dev/$sd of=/dev/null bs=4k count=30 iflag=direct status=none || fail dd; sleep 0.1; done
      grep -q 'late [1-9][0-9]* refused 0 worked' /run/k0.log || fail "nothing was used late: $(head -n 5 /run/k0.log)"
      ! grep -E 'threw|[1-9][0-9]* worked' /run/k0.log || fail 'it worked'
      alive || fail 'the host died'`,
    'a command that a former daemon left is tried again, or fails, as it was told': `
      sd=$(disk 1); sg=$(generic $sd)
      for policy in retry fail; do
        touch /run/k0.gate
        (sg_raw -t 400 -r 512 /dev/$sg 28 00 00 00 00 18 00 00 01 00 > /run/sg.$policy 2>&1; echo "sg $?" >> /run/sg.$policy) & waiting=$!
        sleep 2; kill -9 $(daemon); rm /run/k0.gate
        ${host} --reset-ring $policy; wait $waiting
      done
      grep -qx 'sg 0' /run/sg.retry || { cat /run/sg.retry; fail 'it was not tried again'; }
      grep -qi 'not ready' /run/sg.fail || { cat /run/sg.fail; fail 'it did not fail'; }`,
    'events that were lost are made up for': `
      backstore gone file//tmp/gone.img 1048576
      make flood file//tmp/flood.img 1048576 nl_reply_supported=-1 || fail 'flood'
      await_long 'the flood is served' 'tcmu-host devices | grep -q flood.img'
      kill -STOP $(daemon)
      timeout 400 python3 -c "
n = 0
try:
    while n < 100000:
        with open('$core/flood/attrib/emulate_write_cache', 'w') as f: f.write('1')
        n += 1
except OSError as e: print('lost after', n, e)"
      LIMIT=400 step 'rmdir while nobody hears' rmdir $core/gone
      kill -CONT $(daemon)
      await_long 'the removed device is let go' '! tcmu-host devices | grep -q gone.img'
      grep -q 'events were lost' /run/host.log || fail 'it was not told of the loss'
      sd=$(disk 0); verify $sd --size=1M --bs=4k`,
  },
  look: {
    'kill -9 at random moments under fio with verification loses nothing, and no initiator sees an error': (printed) => {
      const times = [...printed.matchAll(/^ready after (\d+) ms$/gm)].map((m) => Number(m[1]))
      expect(times).toHaveLength(KILLS)
    },
  },
})

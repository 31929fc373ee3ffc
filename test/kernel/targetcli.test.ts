import { kernelCases } from './cases'

const IQN = 'iqn.2026-11.test.lio:one'

/** Nobody has started the host: the bus does, by the file that `install-files` wrote, when targetcli asks for the service. */
kernelCases('targetcli and rtslib', {
  setup: `
    owner() { dbus-send --system --print-reply --dest=org.freedesktop.DBus /org/freedesktop/DBus org.freedesktop.DBus.GetConnectionUnixProcessID string:org.kernel.TCMUService1 2> /dev/null | awk '/uint32/ { print $2 }'; }
    log=/var/log/tcmu-runner.log
    # files DISK NAME: a file system with a checksum, seen again after caches were dropped.
    files() {
      step "mkfs $2" mkfs.ext4 -q /dev/$1; step mount mount /dev/$1 /disk
      head -c 16M /dev/urandom > /disk/data; sha256sum /disk/data > /tmp/sum.$2
      step umount umount /disk; echo 3 > /proc/sys/vm/drop_caches; step 'mount again' mount /dev/$1 /disk
      step "checksum $2" sha256sum -c /tmp/sum.$2; step umount umount /disk; step fsck e2fsck -fn /dev/$1
    }`,
  cases: {
    'install-files writes the service into the VM, and keeps a tcmu.conf that was edited': `
      step install tcmu-host install-files --dest /
      echo '# mine' >> /etc/tcmu/tcmu.conf
      step 'install again' tcmu-host install-files --dest /; says 'kept' 'kept as it was /etc/tcmu/tcmu.conf'
      grep -q '# mine' /etc/tcmu/tcmu.conf || fail 'tcmu.conf was replaced'
      step 'logrotate takes the file' logrotate -d /etc/logrotate.d/tcmu-host`,
    'targetcli ls has the bus start the host, and lists its handlers': `
      [ -z "$(owner)" ] || fail 'somebody has the name'
      step ls targetcli ls /backstores; echo "$last"
      grep -qE 'user:file \\.+ \\[Storage Objects: 0\\]' <<< "$last" || fail 'user:file is not listed'
      owner > /run/host.pid; alive || fail 'no process has the name'
      equal 'state of netlink' "$(cat /sys/module/target_core_user/parameters/block_netlink)" unblocked
      tcmu-host handlers --json > /tmp/handlers.json 2> /dev/null
      for handler in $(node -p 'require("/tmp/handlers.json").handlers.map((h) => h.subtype).join(" ")'); do
        grep -q "user:$handler " <<< "$last" || fail "user:$handler is not listed"
      done`,
    'help create says what the handler wants': `
      step help targetcli /backstores/user:file help create; echo "$last"
      says 'ConfigDesc' "$(node -p 'require("/tmp/handlers.json").handlers.find((h) => h.subtype === "file").configHelp')"`,
    'a wrong cfgstring is refused with our sentence': `
      refused 'a relative path' targetcli /backstores/user:file create name=bad size=64M cfgstring=tmp/x
      echo "$last"; says 'the sentence' 'cfgstring invalid'; says 'what to do' 'the path must be absolute'
      refused 'a folder that is not there' targetcli /backstores/user:file create name=bad size=64M cfgstring=/no/such/x
      { echo "$last"; tail -n 5 $log; } | grep -qi 'make it, or correct the path' || fail 'nothing says what to do'
      refused 'no handler' targetcli /backstores/user:nosuch create name=bad size=64M cfgstring=/tmp/x
      [ ! -e $core ] || [ -z "$(ls -A $lio/core/user_* 2> /dev/null | grep bad)" ] || fail 'something was left behind'`,
    'creates a disk for the loopback fabric that keeps a file system': `
      step create targetcli /backstores/user:file create name=one size=128M cfgstring=/tmp/one.img; echo "$last"
      says created 'Created user-backed storage object one size 134217728'
      step target targetcli /loopback create naa.5001405000000011
      step lun targetcli /loopback/naa.5001405000000011/luns create /backstores/user:file/one
      step ls targetcli ls /backstores/user:file; says 'in use' 'activated'; says 'the config' '/tmp/one.img'
      sd=$(disk 0); files $sd one
      step inquiry sg_inq -p sn /dev/$sd; says serial "$(sed 's/.*: //' $lio/core/user_*/one/wwn/vpd_unit_serial)"`,
    'a package that is installed while the host runs is found, disabled; enabled, targetcli has it at once': `
      root=/var/lib/tcmu/handlers; mkdir -p $root/node_modules; cp -r /opt/tcmu/test/docs-examples/ram $root/node_modules/tcmu-handler-ram
      step found tcmu-host handlers; says disabled 'tcmu-host handlers enable tcmu-handler-ram'
      step ls targetcli ls /backstores; ! grep -q user:ram <<< "$last" || fail 'it is listed before it is enabled'
      step enable tcmu-host handlers enable tcmu-handler-ram; echo "$last"
      eventually 'the host heard of it' sh -c 'dbus-send --system --print-reply --dest=org.kernel.TCMUService1 /org/kernel/TCMUService1/ram org.freedesktop.DBus.Introspectable.Introspect | grep -q ConfigDesc'
      step ls targetcli ls /backstores; says 'listed' user:ram
      step create targetcli /backstores/user:ram create name=mem size=64M cfgstring=scratch
      step lun targetcli /loopback/naa.5001405000000011/luns create /backstores/user:ram/mem
      files $(disk 1) mem
      step delete targetcli /backstores/user:ram delete mem
      step disable tcmu-host handlers disable tcmu-handler-ram
      eventually 'it is gone' sh -c '! targetcli ls /backstores | grep -q user:ram'`,
    'and one for LIO iSCSI, where open-iscsi finds it': `
      target=${IQN}
      step create targetcli /backstores/user:file create name=two size=96M cfgstring=/tmp/two.img
      step target targetcli /iscsi create ${IQN}
      step lun targetcli /iscsi/${IQN}/tpg1/luns create /backstores/user:file/two
      step open targetcli /iscsi/${IQN}/tpg1 set attribute generate_node_acls=1 demo_mode_write_protect=0 cache_dynamic_acls=1 authentication=0
      host=$(ls -d /sys/class/scsi_host/host* | wc -l)
      record 127.0.0.1:3260; login 127.0.0.1:3260
      sd=$(disk 0 $host); equal size "$(blockdev --getsize64 /dev/$sd)" 100663296
      files $sd two; verify $sd --bsrange=512-256k --blockalign=512 --size=8M
      logout 127.0.0.1:3260`,
    'saveconfig and restoreconfig bring both back without an error': `
      step save targetcli saveconfig
      sd=$(disk 0); before=$(sg_inq -p di /dev/$sd)
      LIMIT=400 step clear targetcli clearconfig confirm=True; echo "$last"
      [ -z "$(ls /dev/uio* 2> /dev/null)" ] || fail 'a device is left'
      LIMIT=400 step restore targetcli restoreconfig; echo "$last"
      ! grep -qi 'error' <<< "$last" || fail 'it tells of errors'
      sd=$(disk 0); equal 'the identity of the disk' "$(sg_inq -p di /dev/$sd)" "$before"
      step mount mount -o ro /dev/$sd /disk; step checksum sha256sum -c /tmp/sum.one; step umount umount /disk
      ! dmesg | grep 'Unable to reconfigure' || fail 'the kernel could not reconfigure'`,
    'a host that ends is started again by the bus, and takes its disks over': `
      sd=$(disk 0); end_daemon TERM; no_d_state
      step ls targetcli ls /backstores/user:file; says 'its disks' 'one.img'
      owner > /run/host.pid; alive || fail 'no process has the name'
      eventually 'the device is there' sh -c 'tcmu-host devices | grep -q "running *file//tmp/two.img"'
      step read dd if=/dev/$sd of=/dev/null bs=1M count=8 iflag=direct
      step attention sg_turs /dev/$sd || true`,
    'the log is reopened after logrotate has moved it': `
      [ -s $log ] || fail "no $log"; head -n 3 $log
      step logrotate logrotate -f -s /tmp/state /etc/logrotate.d/tcmu-host
      [ -s $log.1 ] || fail "no $log.1"
      kill -HUP $(daemon); eventually 'a new file' [ -e $log ]
      mkdir -p $core/x; make x file/relative 1048576 2> /dev/null; rmdir $core/x
      eventually 'lines go there' grep -q relative $log`,
    'deletes them': `
      step target targetcli /loopback delete naa.5001405000000011
      step target targetcli /iscsi delete ${IQN}
      step one targetcli /backstores/user:file delete one; step two targetcli /backstores/user:file delete two
      step ls targetcli ls /backstores/user:file; says 'none left' 'Storage Objects: 0'
      [ -z "$(ls /dev/uio* 2> /dev/null)" ] || fail 'a device is left'
      [ -s /tmp/one.img ] || fail 'the file of the disk went with it'
      end_daemon TERM; no_d_state`,
  },
})

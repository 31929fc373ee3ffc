import { kernelCases } from './cases'

/** Functions for groups and ports of LIO, and the handler whose lock is a file. */
const setup = `
  mkdir -p /run/d1 /run/d2 /run/d3
  serve --handler-path /opt/tcmu/test/fixtures/handlers/locking
  # group DEVICE NAME ID TYPE: TYPE 0 none, 1 implicit, 2 explicit, 3 both. member TPG LUN GROUP.
  group() {
    mkdir "$core/$1/alua/$2" && echo "$3" > "$core/$1/alua/$2/tg_pt_gp_id" && echo "$4" > "$core/$1/alua/$2/alua_access_type" && echo "ok group $2" || fail "group $2"
  }
  member() { echo "$3" > "$1/lun/lun_$2/alua_tg_pt_gp" && echo "ok member $3" || fail "member $3"; }
  state() { cat "$core/$1/alua/$2/alua_access_state"; }
  calls() { tr '\\n' ' ' < "/run/$1/calls" | sed 's/ $//'; }
  # Some releases of sg_stpg end with 0 whatever was answered.
  tries() { last=$("$@" 2>&1); :; }
  # The kernel has a unit attention for everybody when the host has recorded another state.
  attended() { sg_turs /dev/$sd > /dev/null 2>&1; :; }
  # What the host believes of the groups is a second old at most; the kernel has a unit attention for who is put into a group.
  settled() { sleep 1.1; sg_inq /dev/$sd > /dev/null; sg_turs /dev/$sd > /dev/null 2>&1; :; }
`

kernelCases('target port groups', {
  setup,
  cases: {
    'a disk without groups has none, and its lock is nobody\'s business': `
      exposed 1 d1 locking//run/d1 67108864
      step inquiry sg_inq /dev/$sd; says 'no groups' 'TPGS=0'
      refused 'no report' sg_rtpg /dev/$sd
      step write dd if=/dev/urandom of=/dev/$sd bs=64k count=4 oflag=direct
      equal calls "$(calls d1)" 'open'`,
    'implicit: the groups of configfs are reported, and the first write takes the lock': `
      sd=$(disk 1); group d1 here 5 1; member $loopback 1 here; settled
      step inquiry sg_inq /dev/$sd; says 'implicit' 'TPGS=1'
      step report sg_rtpg -d /dev/$sd; says 'the group' 'target port group id : 0x5'; says 'its state' 'active/optimized'
      step extended sg_rtpg -e /dev/$sd
      step opcodes sg_opcodes /dev/$sd; says 'listed' 'Report target port groups'
      step ports sg_vpd --page=di /dev/$sd; says 'the port group' 'Target port group: 0x5'; says 'the device' 'naa.5001405000000001'
      step write dd if=/dev/urandom of=/dev/$sd bs=64k count=16 oflag=direct
      equal calls "$(calls d1)" 'open lock -'
      step read dd if=/dev/$sd of=/dev/null bs=64k count=16 iflag=direct`,
    'implicit: a lock that another host took is noticed, and taken again after a reopen': `
      sd=$(disk 1); echo -n elsewhere > /run/d1/holder; settled
      step write dd if=/dev/urandom of=/dev/$sd bs=64k count=16 oflag=direct
      equal calls "$(calls d1)" 'open lock - close reopen closed lock -'
      step devices tcmu-host devices --json; says 'counted' '"lockLost": 1'
      quiet 'no such message'`,
    'implicit: an initiator may not change states': `
      sd=$(disk 1); tries sg_stpg --tp=5 --state=2 /dev/$sd; says 'there is no such command' 'Invalid opcode'`,
    'explicit: standby until SET TARGET PORT GROUPS, which configfs shows': `
      backstore d2 locking//run/d2 67108864; group d2 here 7 3; group d2 there 8 3
      lun 2 d2; member $loopback 2 here; sd=$(disk 2); settled
      step inquiry sg_inq /dev/$sd; says 'both' 'TPGS=3'
      refused 'write in standby' dd if=/dev/zero of=/dev/$sd bs=4k count=1 oflag=direct
      step report sg_rtpg -d /dev/$sd; says 'nobody holds it' 'standby'
      equal 'state of here' "$(state d2 here)" 2; attended
      step activate sg_stpg --tp=7 --state=0 /dev/$sd
      equal 'here is active' "$(state d2 here)" 0
      equal 'there is standby' "$(state d2 there)" 2
      equal calls "$(calls d2)" 'open lock 7'; attended
      step report sg_rtpg -d /dev/$sd; says 'active' 'active/optimized'; says 'by whom' 'changed by SET TARGET PORT GROUPS'
      step write dd if=/dev/urandom of=/dev/$sd bs=64k count=16 oflag=direct
      tries sg_stpg -v --tp=8 --state=0 /dev/$sd; says 'the group of another host' 'Set target port groups command failed'
      tries sg_stpg -v --tp=99 --state=0 /dev/$sd; says 'an unknown group' 'Set target port groups command failed'
      step standby sg_stpg --tp=7 --state=2 /dev/$sd
      equal calls "$(calls d2)" 'open lock 7 unlock'
      equal 'here is standby' "$(state d2 here)" 2; attended`,
    'explicit: another host takes the lock, and the report and configfs follow': `
      sd=$(disk 2); attended; step activate sg_stpg --tp=7 --state=0 /dev/$sd
      equal 'here is active' "$(state d2 here)" 0; attended
      echo -n 8 > /run/d2/holder
      step report sg_rtpg -d /dev/$sd
      equal 'here' "$(state d2 here)" 2; equal 'there' "$(state d2 there)" 0
      unlun 2; rmdir $core/d2/alua/here $core/d2/alua/there; remove d2`,
    'lost backend without another path: nobody is thrown out, I/O goes on when it is back': `
      sd=$(disk 1); settled; : > /run/d1/calls
      touch /run/d1/away
      ( for ((i = 0; i < 600; i++)); do calls d1 | grep -q 'reopen closed reopen' && break; nap 0.1; done; rm /run/d1/away ) &
      step 'write that waits' dd if=/dev/urandom of=/dev/$sd bs=64k count=16 oflag=direct
      step 'read' dd if=/dev/$sd of=/dev/null bs=64k count=16 iflag=direct
      calls d1 | grep -q '^close reopen closed reopen' || fail "$(calls d1)"
      step devices tcmu-host devices --json; says 'counted' '"connectionLost": 1'`,
    'lost backend with another path: its portal group is off until it is back': `
      backstore d3 locking//run/d3 67108864; group d3 here 1 1; group d3 there 2 1
      for tag in 1 2; do
        tpg=$lio/iscsi/$target/tpgt_$tag; mkdir -p $tpg/lun/lun_0; ln -s $core/d3 $tpg/lun/lun_0/of_d3
        for a in authentication=0 demo_mode_write_protect=0 generate_node_acls=1 cache_dynamic_acls=1; do echo \${a#*=} > $tpg/attrib/\${a%=*}; done
      done
      tpg=$lio/iscsi/$target/tpgt_1; mkdir $tpg/np/127.0.0.1:3260; echo 1 > $tpg/enable
      member $tpg 0 here; member $lio/iscsi/$target/tpgt_2 0 there
      record 127.0.0.1:3260; login 127.0.0.1:3260; sd=$(disk 0); settled
      step write dd if=/dev/urandom of=/dev/$sd bs=64k count=4 oflag=direct
      touch /run/d3/away
      eventually 'off' sh -c 'test $(cat "$1") = 0' sh $tpg/enable
      rm /run/d3/away
      eventually 'on again' sh -c 'test $(cat "$1") = 1' sh $tpg/enable
      grep -q 'switched off until' /run/host.log || fail 'it was not told'
      logout 127.0.0.1:3260`,
    'the daemon ends, its locks are given back': `
      end_daemon TERM
      grep -q unlock /run/d1/calls || fail "$(calls d1)"
      no_d_state`,
  },
})

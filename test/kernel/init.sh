#!/bin/busybox sh
# PID 1 of the VM: modules, network, message bus, the script that came with it, its exit status, power off.
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LANG=C TERM=dumb
b=/bin/busybox
exec > /dev/console 2>&1
$b mount -t tmpfs -o mode=755 run /run
$b mount -t tmpfs -o mode=1777,size=80% tmp /tmp
$b mkdir -p /dev/shm /dev/pts /run/lock /run/dbus /var/lib/dbus /etc/target/pr /etc/target/alua /etc/rtslib-fb-target/pr /etc/rtslib-fb-target/alua /run/lock/targetcli
$b mount -t tmpfs shm /dev/shm
$b mount -t devpts pts /dev/pts
while read -r module; do $b insmod "$module"; done < /etc/vm-modules
$b mount -t configfs configfs /sys/kernel/config
$b ip link set lo up
$b ip link set eth0 up
$b ip addr add 10.0.2.15/24 dev eth0
$b ip route add default via 10.0.2.2
# QEMU's user networking forgets to open a receive window again that had closed.
echo '4096 16777216 16777216' > /proc/sys/net/ipv4/tcp_rmem
$b hostname vm
# The bus starts services through a helper that is root's for its own user only.
$b chown 0:100 /usr/lib/dbus-1.0/dbus-daemon-launch-helper
$b chmod 4754 /usr/lib/dbus-1.0/dbus-daemon-launch-helper
dbus-daemon --system --fork --nopidfile
for port in /sys/class/virtio-ports/*; do
  case $($b cat "$port/name") in out) out=/dev/${port##*/};; esac
done
cd /root
bash /sys/firmware/qemu_fw_cfg/by_name/opt/tcmu/script/raw < /dev/null > "$out" 2>&1
echo "exit $?" > "$out"
$b sync
$b poweroff -f

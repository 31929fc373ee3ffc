#!/bin/busybox sh
# PID 1 of the VM: modules, network, the script that came with it, its exit status, power off.
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LANG=C TERM=dumb
b=/bin/busybox
$b mount -t devtmpfs dev /dev
exec > /dev/console 2>&1
$b mount -t proc proc /proc
$b mount -t sysfs sys /sys
$b mount -t tmpfs run /run
$b mount -t tmpfs tmp /tmp
while read -r module; do $b insmod "$module"; done < /etc/vm-modules
$b ip link set lo up
$b ip link set eth0 up
$b ip addr add 10.0.2.15/24 dev eth0
$b ip route add default via 10.0.2.2
# QEMU's user networking forgets to open a receive window again that had closed.
echo '4096 16777216 16777216' > /proc/sys/net/ipv4/tcp_rmem
for port in /sys/class/virtio-ports/*; do
  case $($b cat "$port/name") in out) out=/dev/${port##*/};; esac
done
bash /sys/firmware/qemu_fw_cfg/by_name/opt/tcmu/script/raw < /dev/null > "$out" 2>&1
echo "exit $?" > "$out"
$b sync
$b poweroff -f

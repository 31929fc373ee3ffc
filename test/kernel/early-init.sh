#!/bin/busybox sh
# PID 1 of the initramfs: a memory file system over the read-only root, and the other init from there.
b=/bin/busybox
$b mount -t devtmpfs dev /dev
exec > /dev/console 2>&1
$b mount -t proc proc /proc
$b mount -t sysfs sys /sys
while read -r module; do $b insmod "$module"; done < /order
# drive SERIAL: its device.
drive() {
  for _ in $($b seq 100); do
    for d in /sys/block/vd*; do [ "$($b cat "$d/serial" 2> /dev/null)" = "$1" ] && echo "/dev/${d##*/}" && return; done
    $b usleep 20000
  done
}
$b mount -t erofs -o ro "$(drive root)" /lower
$b mount -t tmpfs -o size=90%,mode=755 upper /upper
$b mkdir /upper/u /upper/w
$b mount -t overlay -o lowerdir=/lower,upperdir=/upper/u,workdir=/upper/w root /new
for bundle in $(drive bundle); do $b mount -t erofs -o ro "$bundle" /new/opt/tcmu; done
for folder in dev proc sys; do $b mount --move /$folder /new/$folder; done
exec $b switch_root /new /init

#!/bin/sh
# sandbox.sh TREE PRELOAD COMMAND...: run a daemon where /sys, configfs, /run and /etc/tcmu are those of TREE, and /dev/uio0
# is ring-peer's (uio-preload.c). In a mount namespace of its own: `unshare --mount`.
set -e
tree=$1 preload=$2
shift 2
mount --rbind "$tree/sys" /sys
mount --rbind "$tree/config" /sys/kernel/config
mount --rbind "$tree/run" /run
# tcmu-runner wants its configuration file, and looks for names of UIO nodes in /dev.
mount -t overlay overlay -o "lowerdir=$tree/etc:/etc" /etc
mount --rbind /dev/shm "$tree/shm"
mount -t overlay overlay -o "lowerdir=$tree/dev:/dev" /dev
mount --rbind "$tree/shm" /dev/shm
exec env LD_PRELOAD="$preload" "$@"

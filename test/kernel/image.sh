#!/bin/bash
# Makes the image of the VM that the jest project `kernel` starts, out of Debian packages: the kernel, an initramfs that mounts
# a root, and the root, unpacked packages in a read-only file system. Needs no root. Run on Debian: test/kernel/image.sh [FOLDER]
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
out=${1:-$here/../../node_modules/.cache/tcmu/kernel}
packages=(busybox-static bash coreutils grep sed findutils gawk kmod util-linux mount iproute2 procps psmisc lsscsi sg3-utils
  e2fsprogs xfsprogs f2fs-tools open-iscsi fio dbus targetcli-fb python3-rtslib-fb python3-gi tcmu-runner libiscsi-bin qemu-utils
  strace logrotate libstdc++6 libatomic1 eject wodim dvd+rw-tools)
# What the initramfs loads to find the root, what every VM loads, and what modprobe can add.
early=(virtio_pci virtio_blk virtio_console qemu_fw_cfg erofs overlay)
loaded=(virtio_net sd_mod sg configfs uio target_core_user target_core_file tcm_loop iscsi_target_mod crc32c_generic)
extra=(target_core_iblock target_core_pscsi iscsi_tcp ext4 xfs f2fs isofs udf nls_utf8 nls_iso8859-1 nls_ascii sr_mod brd loop null_blk scsi_debug)

for tool in apt-get apt-cache dpkg-deb cpio python3 depmod modprobe strip mkfs.erofs; do
  PATH=$PATH:/usr/sbin:/sbin command -v "$tool" > /dev/null || { echo "image.sh needs $tool" >&2; exit 1; }
done
PATH=$PATH:/usr/sbin:/sbin
mkdir -p "$out"
work=$(mktemp -d "$out/work.XXXXXX")
trap 'rm -rf "$work"' EXIT
root=$work/root
early_root=$work/early
mkdir -p "$work/debs" "$root"/{usr/{bin,sbin,lib,lib64},proc,sys,dev,run,tmp,disk,root,etc/target,opt/tcmu} \
  "$early_root"/{bin,modules,proc,sys,dev,lower,upper,new}
for folder in bin sbin lib lib64; do ln -s "usr/$folder" "$root/$folder"; done

echo "packages"
kernel=$(apt-cache depends linux-image-amd64 | sed -n 's/^ *Depends: \(linux-image-.*\)/\1/p' | head -n 1)
# Resolved for a machine that has nothing.
: > "$work/status"
apt-get --simulate -o Dir::State::status="$work/status" -o Debug::NoLocking=1 --no-install-recommends install "${packages[@]}" |
  awk '$1 == "Inst" { print $2 }' > "$work/closure"
# What scripts of packages want and nothing here runs.
unwanted='^(udev|init-system-helpers|sysvinit-utils|usrmerge|perl.*|lib.*-perl|libperl.*|adduser|passwd|debconf|dpkg|cron.*|sensible-utils|media-types|libpam-runtime)$'
mapfile -t all < <(grep -Ev "$unwanted" "$work/closure")
( cd "$work/debs" && apt-get download "$kernel" "${all[@]}" > "$work/download.log" 2>&1 ) || { tail -n 5 "$work/download.log" >&2; exit 1; }
for deb in "$work"/debs/*.deb; do
  case $deb in */linux-image-*) continue;; esac
  dpkg-deb --fsys-tarfile "$deb" | tar -x --keep-directory-symlink --no-same-owner -C "$root"
done
rm -rf "$root"/usr/share/{doc,man,locale,info,bash-completion,lintian,zoneinfo}
# What maintainer scripts would make.
mkdir -p "$root/var" "$root/usr/share/tcmu-runner"
for folder in run lock; do rm -rf "${root:?}/var/$folder"; done
ln -s /run "$root/var/run"
ln -s /run/lock "$root/var/lock"
# The C runner is here to be compared with; what makes it the daemon of the machine is put aside.
for file in etc/tcmu/tcmu.conf etc/dbus-1/system.d/tcmu-runner.conf usr/share/dbus-1/system-services/org.kernel.TCMUService1.service etc/logrotate.d/tcmu-runner; do
  mv "$root/$file" "$root/usr/share/tcmu-runner/"
done
rm -f "$root/usr/lib/systemd/system/tcmu-runner.service" "$root/lib/systemd/system/tcmu-runner.service" "$root/etc/init.d/tcmu-runner"
printf '%s\n' 'root:x:0:0:root:/root:/bin/bash' 'messagebus:x:100:100::/nonexistent:/usr/sbin/nologin' > "$root/etc/passwd"
printf '%s\n' 'root:x:0:' 'messagebus:x:100:' > "$root/etc/group"
printf '%s\n' 'passwd: files' 'group: files' 'hosts: files' 'protocols: files' 'services: files' > "$root/etc/nsswitch.conf"
echo '127.0.0.1 localhost vm' > "$root/etc/hosts"
echo 0123456789abcdef0123456789abcdef > "$root/etc/machine-id"
for applet in $("$root/bin/busybox" --list); do
  [ -e "$root/usr/bin/$applet" ] || [ -e "$root/usr/sbin/$applet" ] || [ -L "$root/usr/bin/$applet" ] || ln -s /bin/busybox "$root/usr/bin/$applet"
done
for program in node tcmu-host; do ln -s "/opt/tcmu/bin/$program" "$root/usr/bin/$program"; done
# Starting Python compiles what it imports, slowly, unless that is done.
python3 -m compileall -q --invalidation-mode unchecked-hash -s "$root" -p / "$root"/usr/lib/python3* > /dev/null || true

echo "kernel $kernel"
mkdir "$work/kernel"
dpkg-deb -x "$work"/debs/linux-image-*.deb "$work/kernel"
release=$(ls "$work/kernel/lib/modules")
depmod -b "$work/kernel" "$release"
closure() {
  for module in "$@"; do modprobe -d "$work/kernel" -S "$release" --show-depends "$module"; done |
    awk '$1 == "insmod" { sub(".*/lib/modules/", "/lib/modules/", $2); if (!seen[$2]++) print $2 }'
}
closure "${early[@]}" "${loaded[@]}" "${extra[@]}" | while read -r file; do install -D -m 644 "$work/kernel$file" "$root$file"; done
cp "$work/kernel/lib/modules/$release"/modules.{builtin,builtin.modinfo,order} "$root/lib/modules/$release/"
# Signatures go too: checking them is slow without hardware virtualization.
find "$root/lib/modules" -name '*.ko' -exec strip --strip-debug {} +
depmod -b "$root" "$release"
closure "${early[@]}" | while read -r file; do
  cp "$root$file" "$early_root/modules/"
  echo "/modules/${file##*/}" >> "$early_root/order"
done
closure "${loaded[@]}" | grep -vxFf <(closure "${early[@]}") > "$root/etc/vm-modules"
# The uncompressed kernel starts by PVH, so that decompression is not emulated.
python3 - "$work/kernel/boot/vmlinuz-$release" "$out/vmlinux" <<'P'
import lzma, sys
image = open(sys.argv[1], 'rb').read()
at = image.index(b'\xfd7zXZ\x00')
open(sys.argv[2], 'wb').write(lzma.LZMADecompressor().decompress(image[at:]))
P

echo "file systems"
install -m 755 "$here/init.sh" "$root/init"
install -m 755 "$here/early-init.sh" "$early_root/init"
cp "$root/bin/busybox" "$early_root/bin/busybox"
( cd "$early_root" && find . | cpio -o -H newc --quiet -R 0:0 ) > "$out/initrd"
mkfs.erofs -T0 --all-root "$out/root.new" "$root" > "$work/erofs.log" 2>&1 || { tail -n 5 "$work/erofs.log" >&2; exit 1; }
mv "$out/root.new" "$out/root.img"
du -h "$out"/{vmlinux,initrd,root.img}

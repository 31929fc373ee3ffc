#!/bin/bash
# Makes the image of the VM that the jest project `kernel` starts, out of Debian packages: the kernel, its modules and a
# root of unpacked packages as one initramfs. Needs no root. Run on Debian: test/kernel/image.sh [FOLDER]
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
out=${1:-$here/../../node_modules/.cache/tcmu/kernel}
packages=(busybox-static bash coreutils grep findutils kmod util-linux mount iproute2 procps open-iscsi sg3-utils e2fsprogs xfsprogs fio)
modules=(virtio_pci virtio_net virtio_console qemu_fw_cfg sd_mod sg iscsi_tcp crc32c_generic ext4 xfs)

for tool in apt-get apt-cache dpkg-deb cpio python3 depmod modprobe strip; do
  PATH=$PATH:/usr/sbin:/sbin command -v "$tool" > /dev/null || { echo "image.sh needs $tool" >&2; exit 1; }
done
PATH=$PATH:/usr/sbin:/sbin
mkdir -p "$out"
work=$(mktemp -d "$out/work.XXXXXX")
trap 'rm -rf "$work"' EXIT
root=$work/root
mkdir -p "$work/debs" "$root"/{usr/{bin,sbin,lib,lib64},proc,sys,dev,run,tmp,disk,root,etc}
for folder in bin sbin lib lib64; do ln -s "usr/$folder" "$root/$folder"; done

echo "packages"
kernel=$(apt-cache depends linux-image-amd64 | sed -n 's/^ *Depends: \(linux-image-.*\)/\1/p' | head -n 1)
closure() {
  apt-cache depends --recurse --no-recommends --no-suggests --no-conflicts --no-breaks --no-replaces --no-enhances "$@" |
    grep '^[a-z0-9]' | sort -u
}
# Daemons, init systems and interpreters that scripts of packages want and nothing here runs.
unwanted='^(systemd.*|dbus.*|udev|init.*|perl.*|python3?.*|adduser|passwd|debconf.*|cdebconf|dpkg|tar|apt|media-types|shared-mime.*|login|sensible-utils|ucf|.*:i386)$'
mapfile -t all < <(closure "${packages[@]}" | grep -Ev "$unwanted")
( cd "$work/debs" && apt-get download "$kernel" "${all[@]}" > "$work/download.log" 2>&1 ) || { tail -n 5 "$work/download.log" >&2; exit 1; }
for deb in "$work"/debs/*.deb; do
  case $deb in */linux-image-*) continue;; esac
  dpkg-deb --fsys-tarfile "$deb" | tar -x --keep-directory-symlink --no-same-owner -C "$root"
done
# What maintainer scripts would make: iscsid wants to know that its caller is root.
echo 'root:x:0:0:root:/root:/bin/bash' > "$root/etc/passwd"
echo 'root:x:0:' > "$root/etc/group"
rm -rf "$root"/usr/share/{doc,man,locale,info,bash-completion,lintian,zoneinfo}

echo "kernel $kernel"
mkdir "$work/kernel"
dpkg-deb -x "$work"/debs/linux-image-*.deb "$work/kernel"
release=$(ls "$work/kernel/lib/modules")
depmod -b "$work/kernel" "$release"
: > "$root/etc/vm-modules"
for module in "${modules[@]}"; do modprobe -d "$work/kernel" -S "$release" --show-depends "$module"; done |
  awk '$1 == "insmod" { print $2 }' | awk '!seen[$0]++' | while read -r file; do
    install -D -m 644 "$file" "$root/modules/$(basename "$file")"
    echo "/modules/$(basename "$file")" >> "$root/etc/vm-modules"
  done
strip --strip-debug "$root"/modules/*.ko # signatures go too: checking them is slow without hardware virtualization
# The uncompressed kernel starts by PVH, so that decompression is not emulated.
python3 - "$work/kernel/boot/vmlinuz-$release" "$out/vmlinux" <<'P'
import lzma, sys
image = open(sys.argv[1], 'rb').read()
at = image.index(b'\xfd7zXZ\x00')
open(sys.argv[2], 'wb').write(lzma.LZMADecompressor().decompress(image[at:]))
P

echo "initramfs"
install -m 755 "$here/init.sh" "$root/init"
( cd "$root" && find . | cpio -o -H newc --quiet -R 0:0 ) > "$out/initrd.new"
mv "$out/initrd.new" "$out/initrd"
du -h "$out/vmlinux" "$out/initrd"

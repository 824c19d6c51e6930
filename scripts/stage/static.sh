#!/usr/bin/env bash
# The static binary, alone in an empty chroot: it makes a key, bundles, verifies and unbundles; the image comes back byte for byte.
set -euo pipefail
. "$(dirname "$0")/../lib.sh"

need_static
need mke2fs=e2fsprogs unshare=util-linux
new_work

enter=(chroot)
if ((EUID != 0)); then
    enter=(unshare --user --map-root-user chroot)
    if ! "${enter[@]}" / true 2>/dev/null; then
        skip "the static binary was not run in an empty chroot: that takes root or unprivileged user namespaces"
        exit
    fi
fi

root=$work/root
mkdir -p "$root/out"
cp "$STATIC" "$root/baler"
make_image "$root/disk.img" 64M /usr/include/linux
baler() { "${enter[@]}" "$root" /baler "$@"; }

baler keys new --key /key.pem --cert /cert.pem
baler bundle /disk.img /out --name static --arch x86_64 --account 123456789012 --key /key.pem --cert /cert.pem --region us-east-1
baler verify /out/static.manifest.xml --key /key.pem
baler unbundle /out/static.manifest.xml /back.img --key /key.pem --cert /cert.pem
cmp "$root/disk.img" "$root/back.img"
ok "keys, bundle, verify and unbundle in an empty chroot"

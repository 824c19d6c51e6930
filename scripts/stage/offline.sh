#!/usr/bin/env bash
# The binary without the feature `aws`: it bundles, verifies, inspects and unbundles an image, makes one of a tree, and has nothing of
# AWS among its dependencies. Built in the same directory and profile as the tests.
set -euo pipefail
. "$(dirname "$0")/../lib.sh"

need_rust
need mke2fs=e2fsprogs strip=binutils
new_work
no_aws

build=(--locked -p baler-cli --no-default-features)
network=$(cargo tree "${build[@]}" --edges normal,build --prefix none | grep -E '^(aws-|hyper|reqwest|rustls|tokio)' | sort -u || true)
[[ -z $network ]] || die "the binary without AWS depends on: $network"
ok "nothing of AWS and no network among the dependencies"

cargo build --quiet "${build[@]}" --bin baler
# A copy: the next build of the whole command replaces the file.
strip -o "$work/baler" "$TARGET/debug/baler"
baler() { "$work/baler" "$@"; }

mkdir "$work/tree"
cp -r /usr/include/linux "$work/tree"
make_image "$work/disk.img" 64M "$work/tree"
key=(--key "$work/key.pem" --cert "$work/cert.pem")
baler keys new "${key[@]}"
manifest=$(baler bundle "$work/disk.img" "$work/bundle" --arch x86_64 --account 123456789012 "${key[@]}")
baler verify "$manifest" "${key[@]}"
baler inspect "$manifest"
baler unbundle "$manifest" "$work/back.img" "${key[@]}"
cmp "$work/disk.img" "$work/back.img"
baler image "$work/tree" "$work/tree.img" --size 64 --partition none
e2fsck -fn "$work/tree.img"
ok "keys, bundle, verify, inspect, unbundle and image without AWS"

! baler bundle "$work/disk.img" s3://my-bucket/images --arch x86_64 --account 123456789012 "${key[@]}" || die "it bundled into S3"
[[ ! -e s3: ]] || die "it took S3 for a directory"
ok "a place in S3 is refused"
ok "$(stat -c %s "$work/baler") bytes without symbols, as the tests build it"

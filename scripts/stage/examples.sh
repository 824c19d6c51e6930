#!/usr/bin/env bash
# Runs the examples of the library, crates/baler/examples, as their users would; each must succeed.
set -euo pipefail
. "$(dirname "$0")/../lib.sh"

need_rust
need gzip e2fsck=e2fsprogs openssl
# Built like the stage `tests`: alone, a package has other features and would be compiled again.
cargo build --quiet --locked --workspace --tests --examples --bin baler-standin
new_work
no_aws
example() { "$TARGET/debug/examples/$1" "${@:2}"; }

openssl genrsa -traditional -out "$work/key.pem" 2048 2>/dev/null
chmod 600 "$work/key.pem"
mkdir -p "$work/tree"/{dev,etc,proc,sys,tmp} "$work/bundles"
cp -r /usr/include/linux "$work/tree/etc"
manifest=$(example bundle_tree "$work/tree" "$work/bundles" "$work/key.pem" 123456789012)
ok "example bundle_tree: $(basename "$manifest")"

example verify "$manifest" "$work/key.pem"
cp -r "$work/bundles" "$work/damaged"
printf x | dd of="$work/damaged/tree.part.0" bs=1 seek=1000 conv=notrunc status=none
! example verify "$work/damaged/tree.manifest.xml" "$work/key.pem" 2>"$work/said" || die "a damaged bundle verifies"
grep -q 'does not verify' "$work/said"
ok "example verify: a whole bundle and a damaged one"

fixtures=$ROOT/tests/fixtures
example old_bundle "$fixtures"/classic-dense/*.manifest.xml "$fixtures/user-key.pkcs8.der" "$work/old.img"
gunzip -c "$fixtures/dense.img.gz" | cmp - "$work/old.img"
ok "example old_bundle: a bundle of the Ruby tools"

start_standin "$work/aws"
# The stand-in's EC2 has a key of its own, for which a bundle has to be made; what is registered here is only looked at.
ami=$(example register "$manifest" s3://my-bucket/images "web 1" "$work/key.pem")
[[ $ami == ami-* ]] || die "no AMI: $ami"
again=$(example register "$manifest" s3://my-bucket/images "web 1" "$work/key.pem")
[[ $again == "$ami" ]] || die "a second AMI: $again"
ok "example register: $ami, and the same again"
[[ $(ls crates/baler/examples/*.rs | wc -l) == 4 ]] || die "an example is not run here"

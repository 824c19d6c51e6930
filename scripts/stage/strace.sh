#!/usr/bin/env bash
# Checks that `bundle`, `unbundle` and `image` start nothing: one execve, that of baler itself, no child process, no mount,
# no loop device; and no key in an argument or a message.
set -euo pipefail
. "$(dirname "$0")/../lib.sh"

need_static
need strace openssl python3 gzip mke2fs=e2fsprogs
new_work

if ! strace -f -o /dev/null true 2>/dev/null; then
    skip "child processes were not looked for: strace may not trace here"
    exit
fi

make_image "$work/disk.img" 64M /usr/include/linux
gzip -k "$work/disk.img"
"$STATIC" keys new --key "$work/key.pem" --cert "$work/cert.pem"

# traced NAME ARGUMENT...: runs baler; writes its calls that start a program or a process to NAME.trace, its messages to NAME.said.
traced() {
    strace -f -qq -s 65536 -e trace=execve,execveat,fork,vfork,clone,clone3,mount,umount2,fsopen,fsmount,move_mount,open_tree,unshare -o "$work/$1.trace" \
        "$STATIC" "${@:2}" >"$work/$1.said" 2>&1 || die "$1: $(cat "$work/$1.said")"
}
# A gzipped image: the decompressor must be our own too.
traced bundle bundle "$work/disk.img.gz" "$work" --name traced --arch x86_64 --account 123456789012 \
    --key "$work/key.pem" --cert "$work/cert.pem" --region us-east-1
traced unbundle unbundle "$work/traced.manifest.xml" "$work/back.img" --key "$work/key.pem" --cert "$work/cert.pem"
cmp "$work/disk.img" "$work/back.img"
# A root tree.
before=$(cat /proc/mounts; ls -d /sys/block/loop*/backing_file 2>/dev/null || true)
mkdir -p "$work/tree/boot" "$work/tree/usr"
cp -r /usr/include/linux "$work/tree/usr/include"
traced tree bundle "$work/tree" "$work" --name tree --arch x86_64 --account 123456789012 --key "$work/key.pem" --cert "$work/cert.pem" \
    --region us-east-1 --partition gpt --bootloader none
traced image image "$work/tree" "$work/tree.img" --partition mbr --bootloader none
[[ $before == "$(cat /proc/mounts; ls -d /sys/block/loop*/backing_file 2>/dev/null || true)" ]] || die "something was mounted"

# The bundle's own key and IV, as the manifest holds them for the user.
secret() {
    sed -n "s/.*<user_encrypted_$1[^>]*>\([0-9a-f]*\)<.*/\1/p" "$work/traced.manifest.xml" |
        python3 -c 'import sys; sys.stdout.buffer.write(bytes.fromhex(sys.stdin.read()))' |
        openssl pkeyutl -decrypt -inkey "$work/key.pem"
}
{ secret key && echo && secret iv && echo; } >"$work/secrets"
[[ $(grep -cxE '[0-9a-f]{32}' "$work/secrets") == 2 ]] || die "the key and IV could not be read from the manifest"
grep -v -- ----- "$work/key.pem" >>"$work/secrets"

for run in bundle unbundle tree image; do
    trace=$work/$run.trace
    [[ $(grep -cE 'execve(at)?\(' "$trace") == 1 ]] || die "$run: more than one program was started: $(grep -E 'execve(at)?\(' "$trace")"
    # A clone with CLONE_THREAD is a thread; any other is a process. The line of a resumed call has no flags.
    children=$(grep -E '(fork|clone3?)\(' "$trace" | grep -v CLONE_THREAD || true)
    [[ -z $children ]] || die "$run: a child process: $children"
    mounts=$(grep -E '(mount|umount2|fsopen|fsmount|open_tree|unshare)\(' "$trace" || true)
    [[ -z $mounts ]] || die "$run: a mount: $mounts"
    ! grep -qiFf "$work/secrets" "$trace" "$work/$run.said" || die "$run: key material in an argument or a message"
    ok "$run: no child process, no mount, no secret shown"
done

#!/usr/bin/env bash
# kill -9 at a hundred random moments of `bundle`, of `unbundle`, and of `bundle` and `image` of a root tree. In half of the runs
# there is an older file to be replaced.
# Afterwards every file with a final name must be whole: a manifest verifies, a part has its length, an image is the image.
# usage: scripts/stage/kill.sh [SEED]; the seed is printed, and is in every message.
set -euo pipefail
. "$(dirname "$0")/../lib.sh"

need_static
need mke2fs=e2fsprogs openssl
new_work
export LC_ALL=C # so that EPOCHREALTIME has a point

seed=${1:-$(date +%s)}
RANDOM=$((seed % 32768))
say "seed $((seed % 32768))"
kills=100

key=(--key "$work/key.pem" --cert "$work/cert.pem")
image=$work/disk.img
"$STATIC" keys new --quiet "${key[@]}" >/dev/null
mkdir "$work/tree"
cp -r /usr/include/linux "$work/tree"
openssl rand -out "$work/tree/random" 24M 2>/dev/null || head -c 24M /dev/urandom >"$work/tree/random"
make_image "$image" 64M "$work/tree"

# With $exec the shell becomes baler instead of starting it, so that the process id is baler's.
exec=
bundle() { $exec "$STATIC" bundle "$image" "$1" --quiet --name k --arch x86_64 --account 123456789012 --region us-east-1 "${key[@]}" "${@:2}" >/dev/null; }
unbundle() { $exec "$STATIC" unbundle "$work/whole/k.manifest.xml" "$1" --quiet "${key[@]}" "${@:2}" >/dev/null; }

# took COMMAND...: runs it to its end, and sets $took to the microseconds that it took.
took() {
    local begun=${EPOCHREALTIME/./}
    "$@"
    took=$((${EPOCHREALTIME/./} - begun))
}

# killed COMMAND...: kills it with -9 at a random moment of $took; in every other pair of runs in the last fifth of it,
# where files get their final names. Succeeds if it was still running.
killed() {
    local moment=$((took * RANDOM / 32768))
    ((i % 4 < 2)) || moment=$((took * 4 / 5 + moment / 5))
    when="seed $((seed % 32768)), kill $i, after $moment us"
    (
        exec="exec"
        "$@"
    ) &
    sleep "$(printf '%d.%06d' $((moment / 1000000)) $((moment % 1000000)))"
    kill -9 $! 2>/dev/null || true
    ! wait $! 2>/dev/null
}

dir=$work/bundle count=0 whole=0
mkdir "$work/whole" "$dir"
bundle "$work/whole"
for ((i = 0; count < kills; i++)); do
    ((i < 3 * kills)) || die "most runs end before they can be killed"
    # Sometimes a run that is not killed: the machine's speed changes, and the files of a killed run must not be in the way.
    ((i % 7)) || took bundle "$dir" --force
    rm -rf "$dir"
    mkdir "$dir"
    force=()
    if ((i % 2)); then
        cp "$work"/whole/* "$dir" # an older bundle, to be replaced
        force=(--force)
    fi
    killed bundle "$dir" "${force[@]}" && count=$((count + 1))
    if [[ -e $dir/k.manifest.xml ]]; then
        whole=$((whole + 1))
        "$STATIC" verify "$dir/k.manifest.xml" --quiet --key "$work/key.pem" >/dev/null || die "$when: the manifest does not verify"
    fi
    for part in "$work"/whole/k.part.*; do
        mine=$dir/${part##*/}
        # The time in the archive changes, and with it, a little, the compressed length.
        [[ ! -e $mine ]] || (($(stat -c %s "$part") - $(stat -c %s "$mine") < 128)) || die "$when: ${mine##*/} is under its final name and not whole"
    done
done
ok "bundle: killed $count times; a manifest stood in $whole of $i runs, and verified"

echo "an older file" >"$work/older"
dir=$work/unbundle dest=$dir/disk.img count=0 whole=0
mkdir "$dir"
for ((i = 0; count < kills; i++)); do
    ((i < 3 * kills)) || die "most runs end before they can be killed"
    ((i % 7)) || took unbundle "$dest" --force
    rm -rf "$dir"
    mkdir "$dir"
    force=()
    if ((i % 2)); then
        cp "$work/older" "$dest"
        force=(--force)
    fi
    killed unbundle "$dest" "${force[@]}" && count=$((count + 1))
    if [[ -e $dest ]] && ! cmp -s "$work/older" "$dest"; then
        whole=$((whole + 1))
        cmp "$image" "$dest" || die "$when: ${dest##*/} is under its final name and not the image"
    fi
done
ok "unbundle: killed $count times; a new image stood in $whole of $i runs, and was whole"

# The same of a root tree: only a temporary file beside the new one is left, nothing in the tree, and nothing is mounted.
tree_bundle() { $exec "$STATIC" bundle "$work/tree" "$1" --quiet --name k --arch x86_64 --account 123456789012 --region us-east-1 --size 64 "${key[@]}" "${@:2}" >/dev/null; }
tree_image() { $exec "$STATIC" image "$work/tree" "$1/disk.img" --quiet --size 64 --partition mbr --bootloader none >/dev/null; }
before=$(find "$work/tree" | sort; cat /proc/mounts)
dir=$work/from-tree
for verb in tree_bundle tree_image; do
    count=0 whole=0
    for ((i = 0; count < kills / 2; i++)); do
        ((i < 3 * kills)) || die "most runs end before they can be killed"
        rm -rf "$dir"
        mkdir "$dir"
        ((i % 7)) || took $verb "$dir"
        rm -rf "$dir"
        mkdir "$dir"
        killed $verb "$dir" && count=$((count + 1))
        if [[ -e $dir/k.manifest.xml ]]; then
            whole=$((whole + 1))
            "$STATIC" verify "$dir/k.manifest.xml" --quiet --key "$work/key.pem" >/dev/null || die "$when: the manifest does not verify"
        fi
        if [[ -e $dir/disk.img ]]; then
            whole=$((whole + 1))
            e2fsck -fn "$dir/disk.img?offset=1048576" >/dev/null 2>&1 || die "$when: the image is not whole"
        fi
        strange=$(find "$dir" -mindepth 1 -maxdepth 1 ! -name '.*.partial' ! -name 'k.*' ! -name disk.img)
        [[ -z $strange ]] || die "$when: left behind: $strange"
    done
    ok "$verb: killed $count times; what stood under its final name in $whole of $i runs was whole"
done
[[ $before == "$(find "$work/tree" | sort; cat /proc/mounts)" ]] || die "the tree or the mounts have changed"

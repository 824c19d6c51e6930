#!/usr/bin/env bash
# kill -9 at a hundred random moments of `bundle` and at a hundred of `unbundle`; in half of the runs there is an older file to be replaced.
# Afterwards nothing may stand under its final name that is not whole: a manifest verifies, a part has its length, an image is the image.
# usage: scripts/stage/kill.sh [SEED]; the seed of a run is printed, and in every message.
set -euo pipefail
. "$(dirname "$0")/../lib.sh"

need_static
need mke2fs=e2fsprogs openssl
new_work
export LC_ALL=C # a point in EPOCHREALTIME

seed=${1:-$(date +%s)}
RANDOM=$((seed % 32768))
say "seed $((seed % 32768))"
kills=100

key=(--key "$work/key.pem" --cert "$work/cert.pem")
image=$work/disk.img
"$STATIC" keys new --quiet "${key[@]}"
mkdir "$work/tree"
cp -r /usr/include/linux "$work/tree"
openssl rand -out "$work/tree/random" 48M 2>/dev/null || head -c 48M /dev/urandom >"$work/tree/random"
make_image "$image" 128M "$work/tree"

# With $exec they become baler rather than start it, so that its number is the one to kill.
exec=
bundle() { $exec "$STATIC" bundle "$image" "$1" --quiet --name k --arch x86_64 --account 123456789012 --region us-east-1 "${key[@]}" "${@:2}"; }
unbundle() { $exec "$STATIC" unbundle "$work/whole/k.manifest.xml" "$1" --quiet "${key[@]}" "${@:2}"; }

# took COMMAND...: runs it, and leaves the microseconds it took in $took.
took() {
    local begun=${EPOCHREALTIME/./}
    "$@"
    took=$((${EPOCHREALTIME/./} - begun))
}

# kill_within MICROSECONDS COMMAND...: kills it with -9 at a random moment of that time. True if it was still running.
kill_within() {
    local moment=$(($1 * RANDOM / 32768))
    when="seed $((seed % 32768)), kill $i, after $moment us"
    (
        exec="exec"
        "${@:2}"
    ) &
    sleep "$(printf '%d.%06d' $((moment / 1000000)) $((moment % 1000000)))"
    kill -9 $! 2>/dev/null || true
    ! wait $! 2>/dev/null
}

mkdir "$work/whole"
took bundle "$work/whole"
bundling=$took
took unbundle "$work/back.img"
unbundling=$took
cmp "$image" "$work/back.img"

killed=0 whole=0
for ((i = 0; i < kills; i++)); do
    dir=$work/bundle-$i force=()
    mkdir "$dir"
    if ((i % 2)); then
        cp "$work"/whole/* "$dir" # an older bundle, to be replaced
        force=(--force)
    fi
    kill_within "$bundling" bundle "$dir" "${force[@]}" && killed=$((killed + 1))
    if [[ -e $dir/k.manifest.xml ]]; then
        whole=$((whole + 1))
        "$STATIC" verify "$dir/k.manifest.xml" --quiet --key "$work/key.pem" || die "$when: the manifest in $dir does not verify"
    fi
    for part in "$work"/whole/k.part.*; do
        mine=$dir/${part##*/}
        [[ ! -e $mine || $(stat -c %s "$mine") == $(stat -c %s "$part") ]] || die "$when: ${mine##*/} is under its final name and not whole"
    done
    # What a killed run left does not stand in the next one's way.
    ((i % 25)) || { bundle "$dir" --force && "$STATIC" verify "$dir/k.manifest.xml" --quiet --key "$work/key.pem"; } || die "$when: the next run fails"
    rm -rf "$dir"
done
((killed >= kills / 2)) || die "only $killed of $kills runs of bundle were killed before they ended"
ok "bundle: $killed runs killed, in $whole a manifest stood, each verifies"

killed=0 whole=0
for ((i = 0; i < kills; i++)); do
    dest=$work/back-$i.img force=()
    if ((i % 2)); then
        echo "an older file" >"$dest"
        force=(--force)
    fi
    kill_within "$unbundling" unbundle "$dest" "${force[@]}" && killed=$((killed + 1))
    if [[ -e $dest ]] && ! { ((i % 2)) && [[ $(head -c 14 "$dest") == "an older file" ]]; }; then
        whole=$((whole + 1))
        cmp "$image" "$dest" || die "$when: $dest is under its final name and not the image"
    fi
    rm -f "$dest"
done
((killed >= kills / 2)) || die "only $killed of $kills runs of unbundle were killed before they ended"
ok "unbundle: $killed runs killed, in $whole an image stood, each is whole"

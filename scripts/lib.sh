# What the scripts share: where the project is, saying things, and installing what is missing. Sourced, not run.
# shellcheck shell=bash
# shellcheck disable=SC2034 # what is set here is used elsewhere

ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
TARGET=${CARGO_TARGET_DIR:-$ROOT/target}
MUSL=$(uname -m)-unknown-linux-musl
STATIC=$TARGET/$MUSL/release/baler # what scripts/build-static makes
PATH=$PATH:/usr/sbin:/sbin         # mke2fs is not on a plain user's path
cd "$ROOT" || exit

say() { printf '%s\n' "$*" >&2; }

die() {
    say "${0##*/}: $*"
    exit 1
}

# need COMMAND[=PACKAGE]...: installs the Debian package of each command that is missing.
need() {
    local pair sudo=() missing=()
    for pair; do
        command -v "${pair%%=*}" >/dev/null || missing+=("${pair#*=}")
    done
    ((${#missing[@]})) || return 0
    command -v apt-get >/dev/null || die "please install: ${missing[*]} (there is no apt-get here to do it)"
    if ((EUID != 0)); then
        sudo -n true 2>/dev/null || die "please install: ${missing[*]} (apt-get wants root, and there is no sudo without a password)"
        sudo=(sudo -n)
    fi
    say "installing ${missing[*]}"
    "${sudo[@]}" apt-get update -qq >/dev/null || say "the package lists could not be refreshed, trying with those that are here"
    "${sudo[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null ||
        die "apt-get could not install ${missing[*]}"
}

# Rust itself is the one thing that is not installed: which toolchain, and whence, is the user's choice.
need_rust() {
    command -v cargo >/dev/null || PATH=$PATH:${CARGO_HOME:-$HOME/.cargo}/bin
    command -v cargo >/dev/null || die "a Rust toolchain is needed: see https://rustup.rs"
    # libdeflate and zstd are C; the linker is the C compiler's anyhow.
    local c=(cc=gcc)
    [[ -e /usr/include/stdio.h ]] || c+=(libc-headers=libc6-dev)
    need "${c[@]}"
}

# The two lines that scripts/test counts.
ok() { printf 'ok: %s\n' "$*"; }
skip() { printf 'SKIPPED: %s\n' "$*"; }

# need_static: the stages look at the product itself.
need_static() {
    [[ -x $STATIC ]] || die "$STATIC is not there: run scripts/build-static first"
}

# new_work: a directory of our own in $work, gone when the script ends, and the user's configuration out of the way.
new_work() {
    work=$(mktemp -d "${TMPDIR:-/tmp}/baler-XXXXXX")
    trap 'rm -rf "$work"' EXIT
    export XDG_CONFIG_HOME=$work/config
}

# make_image FILE SIZE DIRECTORY: an ext4 image of SIZE (mke2fs's units) that holds DIRECTORY; no mount and no root.
make_image() {
    truncate -s "$2" "$1"
    mke2fs -q -F -t ext4 -d "$3" "$1"
}

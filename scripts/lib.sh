# Functions and paths that all scripts use. Sourced, not run.
# shellcheck shell=bash
# shellcheck disable=SC2034 # the scripts use what is set here

ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
TARGET=${CARGO_TARGET_DIR:-$ROOT/target}
MUSL=$(uname -m)-unknown-linux-musl
STATIC=$TARGET/$MUSL/release/baler # made by scripts/build-static
STANDIN=$TARGET/debug/baler-standin
VENV=$TARGET/venv
PATH=$PATH:/usr/sbin:/sbin # mke2fs is not on a plain user's path
cd "$ROOT" || exit

say() { printf '%s\n' "$*" >&2; }

die() {
    say "${0##*/}: $*"
    exit 1
}

# need COMMAND[=PACKAGE]...: installs the Debian package of each missing command.
need() {
    local pair sudo=() missing=()
    for pair; do
        command -v "${pair%%=*}" >/dev/null || missing+=("${pair#*=}")
    done
    ((${#missing[@]})) || return 0
    command -v apt-get >/dev/null || die "please install: ${missing[*]} (there is no apt-get here to do it)"
    if ((EUID != 0)); then
        sudo -n true 2>/dev/null || die "please install: ${missing[*]} (apt-get needs root, and sudo asks for a password)"
        sudo=(sudo -n)
    fi
    say "installing ${missing[*]}"
    "${sudo[@]}" apt-get update -qq >/dev/null || say "the package lists could not be updated; trying with the old ones"
    "${sudo[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null ||
        die "apt-get could not install ${missing[*]}"
}

# Rust itself is not installed: which toolchain, and from where, is the user's choice.
need_rust() {
    command -v cargo >/dev/null || PATH=$PATH:${CARGO_HOME:-$HOME/.cargo}/bin
    command -v cargo >/dev/null || die "a Rust toolchain is needed: see https://rustup.rs"
    # libdeflate and zstd are C, and Rust links with the C compiler.
    local c=(cc=gcc)
    [[ -e /usr/include/stdio.h ]] || c+=(libc-headers=libc6-dev)
    need "${c[@]}"
}

# The two lines that scripts/test counts.
ok() { printf 'ok: %s\n' "$*"; }
skip() { printf 'SKIPPED: %s\n' "$*"; }

# need_static: for stages that test the static binary itself.
need_static() {
    [[ -x $STATIC ]] || die "$STATIC is not there: run scripts/build-static first"
}

# new_work: makes a temporary directory, $work, which is removed when the script ends; the user's configuration is not used.
# The process ids in `servers` are killed then too.
servers=()
new_work() {
    work=$(mktemp -d "${TMPDIR:-/tmp}/baler-XXXXXX")
    trap 'end_servers; rm -rf "$work"' EXIT
    export XDG_CONFIG_HOME=$work/config
}

end_servers() {
    ((${#servers[@]} == 0)) || kill "${servers[@]}" 2>/dev/null || true
    wait 2>/dev/null || true
    servers=()
}

# await SECONDS COMMAND...: repeats the command until it succeeds.
await() {
    local until=$((SECONDS + $1))
    while ! "${@:2}" >/dev/null 2>&1; do
        ((SECONDS < until)) || die "waited $1 seconds for: ${*:2}"
        sleep 0.1
    done
}

# no_aws: makes sure that nothing of the user's own AWS is used.
no_aws() {
    local name
    for name in ${!AWS_@} ${!EC2_@}; do unset "$name"; done
    export AWS_CONFIG_FILE=/dev/null AWS_SHARED_CREDENTIALS_FILE=/dev/null AWS_EC2_METADATA_DISABLED=true AWS_PAGER=
    export NO_PROXY=127.0.0.1,localhost no_proxy=127.0.0.1,localhost
}

# start_standin DIRECTORY: starts $STANDIN, the stand-in for AWS, and sets the variables that lead to it.
start_standin() {
    "$STANDIN" serve --directory "$1" --print-env >"$1.env" &
    servers+=($!)
    # The last line is complete when its closing quote is there.
    await 30 grep -q "^export BALER_STANDIN_EC2_CERT=.*'$" "$1.env"
    . "$1.env"
}

# need_venv: installs AWS's command line and the servers of moto in $VENV. Baler needs neither.
need_venv() {
    local pins=("moto[s3,ec2]==5.2.5" flask==3.1.3 flask-cors==6.0.5 awscli==1.46.3)
    [[ $(cat "$VENV/pins" 2>/dev/null) == "${pins[*]}" ]] && return
    need python3
    python3 -c 'import ensurepip, venv' 2>/dev/null || need no-such-command=python3-venv
    say "installing ${pins[*]} in $VENV"
    rm -rf "$VENV"
    python3 -m venv "$VENV" && "$VENV/bin/pip" install --quiet "${pins[@]}" || die "the Python packages could not be installed"
    echo "${pins[*]}" >"$VENV/pins"
}

# make_image FILE SIZE DIRECTORY: an ext4 image of SIZE (mke2fs's units) that holds DIRECTORY; no mount and no root.
make_image() {
    truncate -s "$2" "$1"
    mke2fs -q -F -t ext4 -d "$3" "$1"
}

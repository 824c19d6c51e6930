#!/usr/bin/env bash
# Runs each fuzz target of fuzz/ for some seconds (BALER_FUZZ_SECONDS, default 20), from fuzz/seeds and the inputs that earlier runs found.
# usage: scripts/stage/fuzz.sh [TARGET...]
set -euo pipefail
. "$(dirname "$0")/../lib.sh"

need_rust
need c++=g++
export CARGO_TARGET_DIR=$TARGET/fuzz
seconds=${BALER_FUZZ_SECONDS:-20}

if ! cargo +nightly --version >/dev/null 2>&1; then
    if ! rustup toolchain install nightly --profile minimal --no-self-update >&2; then
        skip "fuzz targets were not run: they need a nightly toolchain, and none could be installed"
        exit
    fi
fi
[[ $(cargo fuzz --version 2>/dev/null) == *' 0.13.'* ]] || cargo install cargo-fuzz --locked --version '^0.13'

# Without a sanitizer: it finds errors that safe Rust cannot have, and makes runs ten times slower.
cargo +nightly fuzz build --sanitizer none
targets=("$@")
(($#)) || mapfile -t targets < <(cargo +nightly fuzz list)
fuzz() { # TARGET
    local words=()
    mkdir -p "fuzz/corpus/$1"
    [[ ! -e fuzz/dictionaries/$1.dict ]] || words=("-dict=fuzz/dictionaries/$1.dict")
    cargo +nightly fuzz run --sanitizer none "$1" "fuzz/corpus/$1" "fuzz/seeds/$1" -- "${words[@]}" \
        -max_total_time="$seconds" -timeout=20 -rss_limit_mb=2048 -print_final_stats=1 2>&1 | cut -c 1-500 ||
        die "$1: the input that breaks it is in fuzz/artifacts/$1; keep it as a test when it is repaired"
    ok "$1: $seconds s without a crash"
}

# One on each core.
cores=$(nproc) running=0 failed=0
for target in "${targets[@]}"; do
    if ((running == cores)); then
        wait -n || failed=1
        ((running--)) || true
    fi
    fuzz "$target" &
    ((++running))
done
for ((; running > 0; running--)); do wait -n || failed=1; done
exit "$failed"

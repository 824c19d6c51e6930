#!/usr/bin/env bash
# Checks the dependencies against deny.toml: licences, sources, bans, and the RustSec advisories where their database can be fetched.
set -euo pipefail
. "$(dirname "$0")/../lib.sh"

need_rust
need git
[[ $(cargo deny --version 2>/dev/null) == *' 0.20.'* ]] || cargo install cargo-deny --locked --version '^0.20'

cargo deny --locked check --hide-inclusion-graph bans licenses sources
ok "licences, sources and bans"

if out=$(cargo deny --locked check --hide-inclusion-graph advisories 2>&1); then
    ok "advisories"
elif grep -q 'failed to fetch advisory database' <<<"$out"; then
    skip "advisories were not checked: the RustSec database could not be fetched"
else
    die "$out"
fi

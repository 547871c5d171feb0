#!/usr/bin/env bash
# Builds the package's native half, and checks and tests the package. Quick the second time. Words are given to node --test.
set -euo pipefail
cd "$(dirname "$0")"
wanted=$(cat package.json package-lock.json | cksum)
if [ "$(cat node_modules/.wanted 2>/dev/null)" != "$wanted" ]; then
    npm ci --silent
    echo "$wanted" >node_modules/.wanted
fi
# napi's macro needs this crate to have "deny" where the workspace has "forbid"; what people write has none all the same.
if grep -rnw 'unsafe' src build.rs; then
    echo "no unsafe here" >&2
    exit 1
fi
export PYO3_BUILD_EXTENSION_MODULE=1
node scripts/build.mjs
node_modules/.bin/eslint .
node_modules/.bin/tsc -p test/types
node_modules/.bin/typedoc --emit none
RECORDS=2000 ROUNDS=1 node bench/events.mjs >/dev/null
node --expose-gc --test --test-timeout=300000 "$@" test/*.test.mjs

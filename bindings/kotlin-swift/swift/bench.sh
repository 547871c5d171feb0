#!/usr/bin/env bash
# Events by Swift's streams, calls, sizes, cold start, idle memory: to be read, not passed.
#   bench.sh [--rounds N] [--library PATH]    without a path, the library is built as it is shipped
set -euo pipefail
cd "$(dirname "$0")"
root=$(cd ../../.. && pwd)
rounds=15 library=
while [ $# -gt 0 ]; do
    case $1 in
    --rounds) rounds=$2; shift 2 ;;
    --library) library=$(realpath "$2"); shift 2 ;;
    *) echo "--rounds N or --library PATH, not $1" >&2; exit 1 ;;
    esac
done
if [ -z "$library" ]; then
    (cd "$root" && cargo build --locked --quiet --profile dist -p peergraph-ffi)
    library=${CARGO_TARGET_DIR:-$root/target}/dist/libpeergraph_ffi.so
fi
# shellcheck source=../swift-toolchain.sh
. ../swift-toolchain.sh
(cd .. && ./native.sh swift)
package=bindings/kotlin-swift/swift
prepare_swift "$(dirname "$library")" $package $package/Bench || { echo "swift: $reason" >&2; exit 1; }
log=$(in_swift $package/Bench swift build -c release --quiet 2>&1) || { echo "$log" >&2; exit 1; }
built=$(in_swift $package/Bench swift build -c release --show-bin-path)/Bench
printf 'the library: %d kB, packed %d kB\n' $(($(stat -c %s "$library") / 1000)) $(($(gzip -9 <"$library" | wc -c) / 1000))
for _ in 1 2 3; do in_swift $package "$built" cold "$(date +%s.%N)"; done
in_swift $package "$built" "$rounds"

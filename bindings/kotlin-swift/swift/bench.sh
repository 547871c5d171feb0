#!/usr/bin/env bash
# Events by Swift's streams, calls, sizes, cold start, idle memory: to be read, not passed.
#   bench.sh [--rounds N] [--library PATH]    without a path, the library is built as it is shipped
set -euo pipefail
cd "$(dirname "$0")"
# shellcheck source=../bench-library.sh
. ../bench-library.sh
# shellcheck source=../swift-toolchain.sh
. ../swift-toolchain.sh
(cd .. && ./native.sh swift)
package=bindings/kotlin-swift/swift
prepare_swift "$(dirname "$library")" $package $package/Bench || { echo "swift: $reason" >&2; exit 1; }
log=$(in_swift $package/Bench swift build -c release --quiet 2>&1) || { echo "$log" >&2; exit 1; }
built=$(in_swift $package/Bench swift build -c release --show-bin-path)/Bench
for _ in 1 2 3; do in_swift $package "$built" cold "$(date +%s.%N)"; done
in_swift $package "$built" "$rounds"

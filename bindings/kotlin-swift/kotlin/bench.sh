#!/usr/bin/env bash
# Events by Kotlin's streams and flows, calls, sizes, cold start, idle memory: to be read, not passed.
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
mvn --quiet --batch-mode test-compile dependency:build-classpath -Dmdep.outputFile=target/classpath -Dmdep.includeScope=test
run() {
    java -Duniffi.component.peergraph.libraryOverride="$library" \
        -cp "target/test-classes:target/classes:$(cat target/classpath)" io.github.peergraph.BenchKt "$@"
}
printf 'the library: %d kB, packed %d kB\n' $(($(stat -c %s "$library") / 1000)) $(($(gzip -9 <"$library" | wc -c) / 1000))
for _ in 1 2 3; do run cold; done
run "$rounds"

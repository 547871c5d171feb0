#!/usr/bin/env bash
# Events by Kotlin's streams and flows, calls, sizes, cold start, idle memory: to be read, not passed.
#   bench.sh [--rounds N] [--library PATH]    without a path, the library is built as it is shipped
set -euo pipefail
cd "$(dirname "$0")"
# shellcheck source=../bench-library.sh
. ../bench-library.sh
mvn --quiet --batch-mode test-compile dependency:build-classpath -Dmdep.outputFile=target/classpath -Dmdep.includeScope=test
run() {
    java -Duniffi.component.peergraph.libraryOverride="$library" \
        -cp "target/test-classes:target/classes:$(cat target/classpath)" io.github.peergraph.BenchKt "$@"
}
for _ in 1 2 3; do run cold; done
run "$rounds"

#!/usr/bin/env bash
# Builds and tests the Kotlin library and the Swift package: check.sh [kotlin] [swift], by default both. Quick the second time.
set -euo pipefail
cd "$(dirname "$0")"
root=$(cd ../.. && pwd)
[ $# -gt 0 ] || set -- kotlin swift
# No such thing of ours: what uniffi writes is the only one.
if grep -rn "unsafe" src; then echo "unsafe in src" >&2; exit 1; fi

check_kotlin() {
    if ! command -v mvn >/dev/null; then
        { apt-get update && apt-get install -y --no-install-recommends maven openjdk-17-jdk-headless; } >/dev/null 2>&1 ||
            { skip "kotlin: there is no Maven, and it could not be installed" && return; }
    fi
    local part
    for part in "$PWD/kotlin install" "$root/examples/kotlin verify"; do
        (cd "${part% *}" && mvn --quiet --batch-mode "${part##* }")
        # Surefire says nothing in quiet mode.
        awk -F'"' -v what="$(basename "$(dirname "${part% *}")")/kotlin" '/<testsuite /{ for (i = 1; i < NF; i++) { if ($i ~ / tests=$/) n += $(i+1)
            if ($i ~ / (failures|errors)=$/) f += $(i+1); if ($i ~ / skipped=$/) s += $(i+1) } }
            END { printf "%s: %d passed, %d failed, %d skipped\n", what, n - f - s, f, s; exit (n == 0 || f > 0) }' \
            "${part% *}"/target/surefire-reports/TEST-*.xml
    done
}

# What could not be run: an error where a machine checks, else said loudly, and counted at the end.
skipped=0
skip() { # skip REASON
    [ -z "${CI:-}" ] || { echo "$1" >&2; exit 1; }
    echo "SKIPPED: $1" >&2
    skipped=$((skipped + 1))
}

# Takes what `swift build` says, then what `swift test` says; no warning in what is written by hand, and some tests.
judge() { # judge PACKAGE BUILD_LOG TEST_LOG
    if grep -E "/(Sources/(Peergraph|Chat|ChatModel)|Tests/[A-Za-z]*)/[^ ]*: warning:" "$2"; then
        echo "warnings in what is written by hand" >&2
        return 1
    fi
    grep -v "^Test Suite\|Executed 0 tests" "$3" | tail -n 60
    local passed
    passed=$(sed -n 's/.*Test run with \([0-9]*\) tests* passed.*/\1/p' "$3")
    [ "${passed:-0}" -gt 0 ] || { echo "$1: no test was run" >&2; return 1; }
    echo "$1: $passed passed"
}

check_swift() {
    local packages=(bindings/kotlin-swift/swift examples/swift/Chat) package logs
    # shellcheck source=swift-toolchain.sh
    . ./swift-toolchain.sh
    ./native.sh swift
    prepare_swift "${CARGO_TARGET_DIR:-$root/target}/debug" "${packages[@]}" || { skip "swift: $reason" && return; }
    logs=$(mktemp -d)
    for package in "${packages[@]}"; do
        in_swift "$package" swift build --build-tests >"$logs/build" 2>&1 || { cat "$logs/build"; exit 1; }
        in_swift "$package" swift test --quiet --skip-build >"$logs/test" 2>&1 || { cat "$logs/test"; exit 1; }
        # What is built again says its warnings again.
        judge "$package" "$logs/build" "$logs/test" || { in_swift "$package" rm -rf .build; exit 1; }
    done
    rm -rf "$logs"
}

for language in "$@"; do
    case $language in
    kotlin | swift) "check_$language" ;;
    *) echo "kotlin or swift, not $language" >&2; exit 1 ;;
    esac
done
[ "$skipped" = 0 ] || echo "$skipped skipped" >&2

#!/usr/bin/env bash
# Builds and tests the Kotlin library and the Swift package: check.sh [kotlin] [swift], by default both. Quick the second time.
set -euo pipefail
cd "$(dirname "$0")"
root=$(cd ../.. && pwd)
[ $# -gt 0 ] || set -- kotlin swift
# No such thing of ours: what uniffi writes is the only one.
if grep -rn "unsafe" src; then echo "unsafe in src" >&2; exit 1; fi

check_kotlin() {
    command -v mvn >/dev/null || apt-get install -y --no-install-recommends maven openjdk-17-jdk-headless >/dev/null
    (cd kotlin && mvn --quiet --batch-mode install)
    # Surefire says nothing in quiet mode.
    awk -F'"' '/<testsuite /{ for (i = 1; i < NF; i++) { if ($i ~ / tests=$/) n += $(i+1)
        if ($i ~ / (failures|errors)=$/) f += $(i+1); if ($i ~ / skipped=$/) s += $(i+1) } }
        END { printf "kotlin: %d passed, %d failed, %d skipped\n", n - f - s, f, s; exit (n == 0 || f > 0) }' \
        kotlin/target/surefire-reports/TEST-*.xml
}

# Where there is no Swift, Debian's, in a folder that is kept between runs. It is a system of its own, so the package is copied
# into it; needs root.
check_swift() {
    ./native.sh swift
    local target=${CARGO_TARGET_DIR:-$root/target}/debug
    if command -v swift >/dev/null; then
        (cd swift && LD_LIBRARY_PATH=$target PEERGRAPH_SCENARIOS=$root/tests/scenarios swift test -Xlinker -L"$target")
        return
    fi
    local home=${PEERGRAPH_SWIFT:-${XDG_CACHE_HOME:-$HOME/.cache}/peergraph/swift}
    if [ ! -e "$home/.complete" ]; then
        command -v debootstrap >/dev/null || { apt-get update && apt-get install -y --no-install-recommends debootstrap; } >/dev/null
        ! mountpoint -q "$home/proc" || umount "$home/proc"
        rm -rf "$home"
        mkdir -p "$home"
        debootstrap --variant=minbase --include=swiftlang,libc6-dev,g++,libstdc++-14-dev trixie "$home" >/dev/null
        touch "$home/.complete"
    fi
    # The compiler looks there for its own place.
    mountpoint -q "$home/proc" || mount -t proc proc "$home/proc"
    trap "umount '$home/proc'" EXIT
    mkdir -p "$home/srv/lib" "$home/srv/swift" "$home/srv/scenarios"
    rm -rf "$home/srv/swift/Sources" "$home/srv/swift/Tests"
    cp -rp swift/Package.swift swift/Sources swift/Tests "$home/srv/swift/"
    cp "$root"/tests/scenarios/* "$home/srv/scenarios/"
    cp -u "$target/libpeergraph_ffi.so" "$home/srv/lib/"
    chroot "$home" env LD_LIBRARY_PATH=/usr/libexec/swift/lib/swift/linux:/srv/lib HOME=/root \
        PEERGRAPH_SCENARIOS=/srv/scenarios sh -c 'cd /srv/swift && swift test --quiet -Xlinker -L/srv/lib'
}

for language in "$@"; do
    case $language in
    kotlin | swift) "check_$language" ;;
    *) echo "kotlin or swift, not $language" >&2; exit 1 ;;
    esac
done

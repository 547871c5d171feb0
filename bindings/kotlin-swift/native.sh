#!/usr/bin/env bash
# Builds the native library and writes the generated halves: native.sh [kotlin] [swift]. PEERGRAPH_PROFILE=dist for what is
# shipped. What did not change is not written again.
set -euo pipefail
cd "$(dirname "$0")"
root=$(cd ../.. && pwd)
profile=${PEERGRAPH_PROFILE:-dev}
out=${CARGO_TARGET_DIR:-$root/target}/$([ "$profile" = dev ] && echo debug || echo "$profile")
(cd "$root" && cargo build --locked --quiet --profile "$profile" -p peergraph-ffi)
(cd "$root" && cargo build --locked --quiet -p peergraph-bindgen)
bindgen=${CARGO_TARGET_DIR:-$root/target}/debug/peergraph-bindgen
case $(uname -s) in Darwin) library=libpeergraph_ffi.dylib ;; *) library=libpeergraph_ffi.so ;; esac

fresh() { # fresh FROM TO: TO is there and as new as FROM
    [ -e "$2" ] && [ ! "$1" -nt "$2" ] && [ ! uniffi.toml -nt "$2" ]
}
for language in "$@"; do
    case $language in
    kotlin)
        jna=$(case $(uname -s)-$(uname -m) in
            Linux-x86_64) echo linux-x86-64 ;; Linux-aarch64) echo linux-aarch64 ;;
            Darwin-arm64) echo darwin-aarch64 ;; Darwin-x86_64) echo darwin-x86-64 ;;
            *) echo "no layout for $(uname -sm)" >&2; exit 1 ;; esac)
        generated=kotlin/target/generated/peergraph natives=kotlin/target/natives/$jna
        if ! fresh "$out/$library" "$natives/$library"; then
            rm -rf "$generated"
            (cd "$root" && "$bindgen" generate "$out/libpeergraph_ffi.a" --language kotlin --no-format \
                --out-dir "bindings/kotlin-swift/$generated")
            mkdir -p "$natives"
            if [ "$(uname -s)" = Darwin ]; then cp "$out/$library" "$natives/$library"
            else strip --strip-debug -o "$natives/$library" "$out/$library"; fi
        fi ;;
    swift)
        generated=swift/Sources/PeergraphCore/peergraph.swift header=swift/Sources/peergraphFFI/peergraphFFI.h
        if ! fresh "$out/libpeergraph_ffi.a" "$header"; then
            made=$(mktemp -d)
            (cd "$root" && "$bindgen" generate "$out/libpeergraph_ffi.a" --language swift --no-format --out-dir "$made")
            mv "$made"/*.swift "$generated"
            mv "$made"/*.h "$header"
            rm -rf "$made"
        fi ;;
    *) echo "kotlin or swift, not $language" >&2; exit 1 ;;
    esac
done

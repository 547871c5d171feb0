#!/usr/bin/env bash
# Builds the native library and writes the generated halves: native.sh [kotlin] [swift]. PEERGRAPH_PROFILE=dist for what is
# shipped. What did not change is not written again.
set -euo pipefail
cd "$(dirname "$0")"
root=$(cd ../.. && pwd)
target=${CARGO_TARGET_DIR:-$root/target}
profile=${PEERGRAPH_PROFILE:-dev}
out=$target/$([ "$profile" = dev ] && echo debug || echo "$profile")
(cd "$root" && cargo build --locked --quiet --profile "$profile" -p peergraph-ffi)
# Beside the workspace and in a folder of its own, so that neither has the other's dependencies built anew.
(cd bindgen && cargo build --locked --quiet --target-dir "$target/bindgen")
bindgen() { # bindgen LANGUAGE FOLDER: from the static library, which still has what it needs when the other is stripped
    (cd "$root" && "$target/bindgen/debug/peergraph-bindgen" generate "$out/libpeergraph_ffi.a" --language "$1" --no-format \
        --out-dir "$2")
}
case $(uname -s) in Darwin) library=libpeergraph_ffi.dylib ;; *) library=libpeergraph_ffi.so ;; esac
stamp=$(cksum "$out/$library" uniffi.toml "$target/bindgen/debug/peergraph-bindgen")

for language in "$@"; do
    case $language in
    kotlin)
        case $(uname -s)-$(uname -m) in
        Linux-x86_64) jna=linux-x86-64 ;; Linux-aarch64) jna=linux-aarch64 ;;
        Darwin-arm64) jna=darwin-aarch64 ;; Darwin-x86_64) jna=darwin-x86-64 ;;
        *) echo "no layout for $(uname -sm)" >&2; exit 1 ;;
        esac
        generated=$PWD/kotlin/target/generated/peergraph natives=kotlin/target/natives/$jna
        if [ "$(cat kotlin/target/.native 2>/dev/null)" != "$stamp" ]; then
            mkdir -p "$natives"
            bindgen kotlin "$generated"
            # Errors tell more than their message: the class above them is written by hand.
            source=$generated/io/github/peergraph/peergraph.kt
            sed -i 's/^\(sealed class PeergraphException(message: String): \)kotlin\.Exception(message)/\1PeergraphFailure(message)/' "$source"
            grep -q "^sealed class PeergraphException.*PeergraphFailure(message)" "$source"
            if [ "$(uname -s)" = Darwin ]; then cp "$out/$library" "$natives/$library"
            else strip --strip-debug -o "$natives/$library" "$out/$library"; fi
            echo "$stamp" >kotlin/target/.native
        fi ;;
    swift)
        if [ "$(cat swift/.build/.native 2>/dev/null)" != "$stamp" ]; then
            made=$(mktemp -d)
            bindgen swift "$made"
            mv "$made/PeergraphCore.swift" swift/Sources/PeergraphCore/peergraph.swift
            mv "$made/peergraphFFI.h" swift/Sources/peergraphFFI/peergraphFFI.h
            rm -rf "$made"
            mkdir -p swift/.build
            echo "$stamp" >swift/.build/.native
        fi ;;
    *) echo "kotlin or swift, not $language" >&2; exit 1 ;;
    esac
done

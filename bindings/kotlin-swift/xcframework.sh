#!/usr/bin/env bash
# On macOS with Xcode: the native library for Apple's systems as swift/peergraphFFI.xcframework, and zipped beside it with its
# check sum, as Package.swift names it.
set -euo pipefail
cd "$(dirname "$0")"
[ "$(uname -s)" = Darwin ] || { echo "only Xcode makes xcframeworks: this is $(uname -s)" >&2; exit 1; }
root=$(cd ../.. && pwd)
target=${CARGO_TARGET_DIR:-$root/target}
systems=(aarch64-apple-ios aarch64-apple-ios-sim x86_64-apple-ios aarch64-apple-darwin x86_64-apple-darwin)
export IPHONEOS_DEPLOYMENT_TARGET=16.0 MACOSX_DEPLOYMENT_TARGET=13.0

rustup target add "${systems[@]}"
./native.sh swift
made=$(mktemp -d)
trap 'rm -rf "$made"' EXIT
mkdir "$made/headers"
cp swift/Sources/peergraphFFI/peergraphFFI.h "$made/headers/"
# A framework has its own module map: the one of the system library names what to link.
printf 'module peergraphFFI {\n    header "peergraphFFI.h"\n    export *\n}\n' >"$made/headers/module.modulemap"
for system in "${systems[@]}"; do
    (cd "$root" && cargo rustc --locked --quiet --profile dist -p peergraph-ffi --crate-type staticlib --target "$system")
done
library() { echo "$target/$1/dist/libpeergraph_ffi.a"; }
both() { # both NAME ARM INTEL
    mkdir -p "$made/$1"
    lipo -create "$(library "$2")" "$(library "$3")" -output "$made/$1/libpeergraph_ffi.a"
}
both simulator aarch64-apple-ios-sim x86_64-apple-ios
both mac aarch64-apple-darwin x86_64-apple-darwin

rm -rf swift/peergraphFFI.xcframework
xcodebuild -create-xcframework -output swift/peergraphFFI.xcframework \
    -library "$(library aarch64-apple-ios)" -headers "$made/headers" \
    -library "$made/simulator/libpeergraph_ffi.a" -headers "$made/headers" \
    -library "$made/mac/libpeergraph_ffi.a" -headers "$made/headers"
(cd swift && ditto -c -k --sequesterRsrc --keepParent peergraphFFI.xcframework peergraphFFI.xcframework.zip)
swift package --package-path swift compute-checksum swift/peergraphFFI.xcframework.zip

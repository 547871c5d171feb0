#!/usr/bin/env bash
# Builds the native library for Android, as it is shipped, into jniLibs, and writes the generated half of the Kotlin library.
# Needs the NDK (ANDROID_NDK_HOME), cargo-ndk, and Rust's targets for Android, which it adds.
set -euo pipefail
cd "$(dirname "$0")"
: "${ANDROID_NDK_HOME:?where the Android NDK is}"
command -v cargo-ndk >/dev/null || cargo install --locked --quiet cargo-ndk
rustup target add aarch64-linux-android armv7-linux-androideabi x86_64-linux-android
(cd ../../.. && cargo ndk --platform 26 --target arm64-v8a --target armeabi-v7a --target x86_64 \
    --output-dir bindings/kotlin-swift/android/jniLibs build --locked --profile dist -p peergraph-ffi)
# Pages of 16 KiB, which newer devices have.
readelf=$(echo "$ANDROID_NDK_HOME"/toolchains/llvm/prebuilt/*/bin/llvm-readelf)
for library in jniLibs/*64*/libpeergraph_ffi.so; do
    "$readelf" --program-headers "$library" | awk -v file="$library" \
        '$1 == "LOAD" && strtonum($NF) < 16384 { print file ": pages of " $NF > "/dev/stderr"; bad = 1 } END { exit bad }'
done
../native.sh kotlin

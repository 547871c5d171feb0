#!/usr/bin/env bash
# Builds what goes to the package index and tries it: a wheel for Linux systems from 2014 on, and the source
# distribution, each installed into an empty environment. Prints sizes. The results are in target/wheels.
#
#   bindings/python/package.sh [--native]   --native: a wheel for this system only, without the cross linker
set -euo pipefail
cd "$(dirname "$0")"
root=$(cd ../.. && pwd)
out=$root/target/wheels
most=$((8 * 1024 * 1024))
env=$root/target/package-env
python3 -m venv "$env"
"$env/bin/pip" install --quiet --disable-pip-version-check 'maturin>=1.16,<2' ziglang
rm -rf "$out" && mkdir -p "$out"
flags=(--zig --compatibility manylinux2014)
[ "${1:-}" = --native ] && flags=()
PATH=$env/bin:$PATH "$env/bin/maturin" build --quiet --locked --profile dist --out "$out" "${flags[@]}"
"$env/bin/maturin" sdist --out "$out" >&2

# Two programs in two processes, as in the README, with nothing but what pip installed.
try() {
    local package=$1 clean
    clean=$(mktemp -d)
    python3 -m venv "$clean/env"
    "$clean/env/bin/pip" install --quiet --disable-pip-version-check "$package"
    cp try_package.py "$clean"
    (cd "$clean" && env/bin/python try_package.py)
    rm -rf "$clean"
}

wheel=$(echo "$out"/*.whl) sdist=$(echo "$out"/*.tar.gz)
for file in "$wheel" "$sdist"; do
    size=$(stat -c %s "$file")
    printf '%s: %s bytes\n' "$(basename "$file")" "$size"
    if [ "$size" -gt "$most" ]; then
        echo "more than $most bytes" >&2
        exit 1
    fi
done
try "$wheel"
echo "the wheel installs and works"
# A build from the source distribution takes its time; the settings are those of a user who has a Rust compiler.
try "$sdist"
echo "the source distribution builds, installs and works"

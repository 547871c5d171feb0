#!/usr/bin/env bash
# Builds the native half as it is shipped and measures it, in an environment of its own.
set -euo pipefail
cd "$(dirname "$0")/.."
root=$(cd ../.. && pwd)
env=$root/target/bench-env
python3 -m venv "$env"
"$env/bin/pip" install --quiet --disable-pip-version-check 'maturin>=1.16,<2'
PATH=$env/bin:$PATH "$env/bin/maturin" build --quiet --locked --profile dist --out "$root/target/bench-wheel"
"$env/bin/pip" install --quiet --disable-pip-version-check --force-reinstall "$root"/target/bench-wheel/peergraph-*.whl
# Another p2p package of the index, in an environment of its own.
beside=$root/target/bench-libp2p
python3 -m venv "$beside"
if "$beside/bin/pip" install --quiet --disable-pip-version-check libp2p; then
    set -- --libp2p "$beside/bin/python" "$@"
else
    echo "NOT MEASURED: py-libp2p does not install here" >&2
fi
"$env/bin/python" bench/bench.py "$@"

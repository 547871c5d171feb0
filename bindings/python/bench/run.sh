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
"$env/bin/python" bench/bench.py "$@"

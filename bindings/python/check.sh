#!/usr/bin/env bash
# Builds the package into the project's own environment, and checks and tests it. Quick the second time.
set -euo pipefail
cd "$(dirname "$0")"
root=$(cd ../.. && pwd)
env=$root/.venv
[ -x "$env/bin/python" ] || python3 -m venv "$env"
wanted=$(cat pyproject.toml "$0" | cksum)
if [ "$(cat "$env/.wanted" 2>/dev/null)" != "$wanted" ]; then
    "$env/bin/pip" install --quiet --disable-pip-version-check 'maturin>=1.16,<2' 'pytest>=8' 'pytest-asyncio>=0.24' \
        'mypy>=1.15' 'pyright>=1.1.400' 'ruff>=0.9' 'pandas>=2' 'networkx>=3' 'matplotlib>=3.7' pandas-stubs
    echo "$wanted" >"$env/.wanted"
fi
# A folder of its own: maturin's settings would have pyo3 built anew each time that cargo is used beside it.
export CARGO_TARGET_DIR=${PEERGRAPH_PYTHON_TARGET:-$root/target/python} VIRTUAL_ENV=$env
"$env/bin/maturin" develop --quiet --locked
"$env/bin/ruff" format --check --quiet .
"$env/bin/ruff" check --quiet .
"$env/bin/mypy" --strict python/peergraph
(cd tests && MYPYPATH=../python "$env/bin/mypy" --strict --config-file ../pyproject.toml .)
(cd python && "$env/bin/python" -m mypy.stubtest --mypy-config-file ../pyproject.toml peergraph._native)
"$env/bin/pytest" -q "$@"

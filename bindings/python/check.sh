#!/usr/bin/env bash
# Builds the native half, puts the package into the project's own environment, checks and tests it. Quick the second time.
# Arguments go to pytest.
set -euo pipefail
cd "$(dirname "$0")"
root=$(cd ../.. && pwd)
env=$root/.venv
wanted=$(cat pyproject.toml check.sh | cksum)
if [ "$(cat "$env/.wanted" 2>/dev/null)" != "$wanted" ]; then
    python3 -m venv "$env"
    # What pyproject.toml lists for notebooks and tests, and the package itself as it stands in this folder.
    "$env/bin/python" - <<'PY' >"$env/.requirements"
try:
    import tomllib
except ImportError:  # Python 3.10
    from pip._vendor import tomli as tomllib
with open("pyproject.toml", "rb") as file:
    extras = tomllib.load(file)["project"]["optional-dependencies"]
print("\n".join(extras["jupyter"] + extras["test"]))
PY
    "$env/bin/pip" install --quiet --disable-pip-version-check -r "$env/.requirements"
    site=$("$env/bin/python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))')
    echo "$PWD/python" >"$site/peergraph.pth"
    echo "$wanted" >"$env/.wanted"
fi
# With the features and settings of the whole workspace, so that nothing is built twice.
export PYO3_BUILD_EXTENSION_MODULE=1
(cd "$root" && "${CARGO:-cargo}" build --quiet --locked --workspace)
built=${CARGO_TARGET_DIR:-$root/target}/debug/lib_native.so
cmp --silent "$built" python/peergraph/_native.abi3.so || cp "$built" python/peergraph/_native.abi3.so

"$env/bin/ruff" format --check --quiet . "$root/examples"
"$env/bin/ruff" check --quiet . "$root/examples"
"$env/bin/python" make_sync.py --check
"$env/bin/mypy" python/peergraph
(cd tests && MYPYPATH=../python "$env/bin/mypy" --config-file ../pyproject.toml . "$root"/examples/python)
"$env/bin/pyright" --pythonpath "$env/bin/python"
(cd python && "$env/bin/python" -m mypy.stubtest --mypy-config-file ../pyproject.toml peergraph._native)
node --test tests/*.test.mjs
"$env/bin/pytest" -q "$@"

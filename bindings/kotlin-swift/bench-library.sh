# shellcheck shell=bash disable=SC2034
# Sourced by the benches, in their folders: reads their options into `rounds` and `library`, and says how large that is.
root=$(cd ../../.. && pwd)
rounds=15 library=
while [ $# -gt 0 ]; do
    case $1 in
    --rounds) rounds=$2; shift 2 ;;
    --library) library=$(cd "$OLDPWD" && realpath -e "$2"); shift 2 ;;
    *) echo "--rounds N or --library PATH, not $1" >&2; exit 1 ;;
    esac
done
if [ -z "$library" ]; then
    (cd "$root" && cargo build --locked --quiet --profile dist -p peergraph-ffi)
    library=${CARGO_TARGET_DIR:-$root/target}/dist/libpeergraph_ffi.so
fi
printf 'the library: %d kB, packed %d kB\n' $(($(stat -c %s "$library") / 1000)) $(($(gzip -9 <"$library" | wc -c) / 1000))

# shellcheck shell=bash disable=SC2154,SC2317,SC2034
# Sourced: where Swift is, for check.sh and the bench. Where there is none, Debian's, in a folder that is kept between runs: a
# system of its own, so packages are copied into it; needs root.
#
# prepare_swift LIBRARY_FOLDER PACKAGE... makes ready, or returns 1 with the reason in $reason; packages are folders below the
# repository. Then in_swift PACKAGE COMMAND... runs a command in a package, with what it needs to link and load the library.

install_swift() { # install_swift HOME
    mounted=$1/proc
    trap unmount EXIT
    trap 'exit 130' INT
    trap 'exit 143' TERM
    unmount
    if [ ! -e "$1/.complete" ]; then
        rm -rf "$1"
        mkdir -p "$1"
        debootstrap --variant=minbase --include=swiftlang,libc6-dev,g++,libstdc++-14-dev trixie "$1" >/dev/null || return 1
        unmount
        touch "$1/.complete"
    fi
    # The compiler looks there for its own place.
    mount -t proc proc "$mounted"
}

# Lazily, since what was interrupted may still be ending.
unmount() { while mountpoint -q "$mounted"; do umount --lazy "$mounted"; done; }

# What is built stays there; what is no longer a source goes.
copy_package() { # copy_package HOME PACKAGE
    local to=$1/srv/peergraph/$2 part
    mkdir -p "$to"
    for part in Package.swift Sources Tests; do
        rm -rf "${to:?}/$part"
        [ ! -e "$root/$2/$part" ] || cp -rp "$root/$2/$part" "$to/"
    done
}

prepare_swift() {
    local library=$1 home=${PEERGRAPH_SWIFT:-${XDG_CACHE_HOME:-$HOME/.cache}/peergraph/swift} package
    shift
    if command -v swift >/dev/null && [ -z "${PEERGRAPH_SWIFT:-}" ]; then
        in_swift() {
            local package=$1
            shift
            (cd "$root/$package" && LD_LIBRARY_PATH=$library LIBRARY_PATH=$library PEERGRAPH_SCENARIOS=$root/tests/scenarios "$@")
        }
        return
    fi
    if [ "$(uname -s)" != Linux ]; then reason="there is no Swift here" && return 1; fi
    if [ "$(id -u)" != 0 ]; then reason="there is none, and only root can install it" && return 1; fi
    if [ ! -e "$home/.complete" ] && ! command -v debootstrap >/dev/null; then
        { apt-get update && apt-get install -y --no-install-recommends debootstrap; } >/dev/null 2>&1 ||
            { reason="there is none, and no debootstrap to install it" && return 1; }
    fi
    mkdir -p "$(dirname "$home")"
    exec 9>"$home.lock"
    flock 9
    install_swift "$home" || { reason="it could not be installed" && return 1; }
    swift_home=$home
    in_swift() {
        local package=$1
        shift
        # The lock is not held by what hangs in there.
        chroot "$swift_home" env HOME=/root LD_LIBRARY_PATH=/usr/libexec/swift/lib/swift/linux:/srv/lib LIBRARY_PATH=/srv/lib \
            PEERGRAPH_SCENARIOS=/srv/peergraph/tests/scenarios sh -c 'cd "$1" && shift && exec "$@"' sh "/srv/peergraph/$package" "$@" 9>&-
    }
    mkdir -p "$home/srv/lib" "$home/srv/peergraph/tests/scenarios"
    cp -p "$library/libpeergraph_ffi.so" "$home/srv/lib/"
    cp "$root"/tests/scenarios/* "$home/srv/peergraph/tests/scenarios/"
    for package in "$@"; do copy_package "$home" "$package"; done
}

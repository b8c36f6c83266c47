#!/usr/bin/env bash
# Sets a build directory up, once: configure.sh release|bare|asan|tsan|fuzz|lint
set -euo pipefail
cd "$(dirname "$0")/.."

name=${1:?usage: configure.sh release|bare|asan|tsan|fuzz|lint}
[[ -f build/$name/build.ninja ]] && exit 0

# Sanitizers see more when the allocator is the C library's, and lines are exact when inlining is moderate.
watched=(-Dallocator=libc -Dbuildtype=debugoptimized -Dtests=true)
case $name in
release) options=(-Dtests=false -Db_lto=true) ;;
bare) options=(-Dtests=false -Dtls=disabled -Dlz4=disabled) ;; # without what is optional
asan) options=("${watched[@]}" -Db_sanitize=address,undefined) ;;
tsan) options=("${watched[@]}" -Db_sanitize=thread) ;;
fuzz) options=("${watched[@]}" -Db_sanitize=address,undefined -Db_lundef=false -Dfuzzers=true -Dtests=false) && export CC=clang ;;
lint) options=(-Dbuildtype=debug) && export CC=clang ;;
*) echo "configure: no build is called $name" >&2 && exit 2 ;;
esac
meson setup "build/$name" "${options[@]}" >"/dev/null"

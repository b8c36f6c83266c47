#!/usr/bin/env bash
# Installs the system packages that a purpose needs, where they are missing: setup.sh build|test|bench|lint|fuzz
# Knows Debian and Ubuntu; elsewhere it says what is needed. A stamp under build/ makes the next call free.
set -euo pipefail
cd "$(dirname "$0")/.."

build=(gcc meson ninja-build pkg-config libc6-dev libmimalloc-dev libssl-dev)
declare -A packages=(
    [build]="${build[*]}"
    [test]="${build[*]} libcmocka-dev redis-server redis-tools python3 python3-venv clang libclang-rt-14-dev nodejs gdb"
    [bench]="${build[*]} redis-server redis-tools python3 util-linux openssl"
    [lint]="${build[*]} libcmocka-dev clang clang-format clang-tidy"
    [fuzz]="${build[*]} clang libclang-rt-14-dev"
)
purpose=${1:?usage: setup.sh build|test|bench|lint|fuzz}
wanted=${packages[$purpose]:?no such purpose}

# Tools that are installed in other ways count too.
command -v node >/dev/null && command -v npm >/dev/null && wanted=${wanted/ nodejs/} || wanted=${wanted/ nodejs/ nodejs npm}

stamp=build/.setup-$purpose
[[ -f $stamp && $(cat "$stamp") == "$wanted" ]] && exit 0

if ! command -v apt-get >/dev/null; then
    echo "setup: this is no Debian or Ubuntu; please install the equivalents of: $wanted" >&2
    exit 0
fi
missing=()
for package in $wanted; do
    dpkg-query -W -f '${db:Status-Status}\n' "$package" 2>/dev/null | grep -qx installed || missing+=("$package")
done
if ((${#missing[@]} > 0)); then
    as_root=()
    ((EUID == 0)) || as_root=(sudo)
    echo "setup: installing ${missing[*]}"
    "${as_root[@]}" apt-get update -qq
    # the services that packages bring must not be started: a redis-server would take the port
    "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive RUNLEVEL=1 apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
fi
mkdir -p build
echo "$wanted" >"$stamp"

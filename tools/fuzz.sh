#!/usr/bin/env bash
# Runs every fuzzer on its stored corpus for a number of seconds each: fuzz.sh SECONDS. New inputs go to build/fuzz/corpus;
# what fails is kept in build/fuzz/found.
set -euo pipefail
cd "$(dirname "$0")/.."

seconds=${1:?usage: fuzz.sh SECONDS}
export UBSAN_OPTIONS=halt_on_error=1:print_stacktrace=1
for target in build/fuzz/tests/fuzz/fuzz_*; do
    [[ -x $target && -f $target ]] || continue
    name=$(basename "$target")
    new=build/fuzz/corpus/$name found=build/fuzz/found/$name
    mkdir -p "$new" "$found"
    options=(-max_total_time="$seconds" -timeout=10 -rss_limit_mb=2048 -verbosity=0 -artifact_prefix="$found/")
    [[ $name == fuzz_commands ]] && options+=(-dict=tests/fuzz/commands.dict)
    echo "== $name, $seconds s"
    "$target" "${options[@]}" "$new" "tests/fuzz/corpus/$name"
done

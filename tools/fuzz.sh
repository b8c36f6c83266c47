#!/usr/bin/env bash
# Runs every fuzzer on its stored corpus for a number of seconds each: fuzz.sh SECONDS. New inputs go to build/fuzz/corpus.
set -euo pipefail
cd "$(dirname "$0")/.."

seconds=${1:?usage: fuzz.sh SECONDS}
for target in build/fuzz/tests/fuzz/fuzz_*; do
    [[ -x $target && -f $target ]] || continue
    name=$(basename "$target")
    found=build/fuzz/corpus/$name
    mkdir -p "$found"
    echo "== $name, $seconds s"
    "$target" -max_total_time="$seconds" -timeout=10 -rss_limit_mb=2048 -print_final_stats=0 -verbosity=0 \
        -artifact_prefix="$found/crash-" "$found" "tests/fuzz/corpus/$name"
done

#!/usr/bin/env bash
# The floors, formatting, and clang-tidy over the files that the lint build compiles. Changes nothing; the exit status tells.
set -euo pipefail
cd "$(dirname "$0")/.."

tools/check_floors.py
git ls-files '*.c' '*.h' | xargs clang-format --dry-run --Werror
git ls-files 'src/*.c' 'clients/*.c' | xargs -P "$(nproc)" -n 8 clang-tidy --quiet -p build/lint 2>/dev/null

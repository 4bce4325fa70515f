#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# compiler-output.sh [--update] COMPILER FOLDER
# What COMPILER says about each FOLDER/NAME.cpp, compiled from the root of the project, is the content of
# FOLDER/NAME.output, and at most 15 lines. docs/errors.md shows these files. With --update they are written.
set -uo pipefail
update=0
[[ ${1:-} == --update ]] && update=1 && shift
compiler=$1
cd "$(dirname "$(readlink -f "$0")")/../.." || exit 1

status=0
for source in "$2"/*.cpp; do
  said=$(LC_ALL=C.UTF-8 "$compiler" -std=c++20 -fopenmp -fsyntax-only -fdiagnostics-color=never -I include "$source" 2>&1)
  ((update)) && printf '%s\n' "$said" > "${source%.cpp}.output"
  lines=$(wc -l <<< "$said")
  ((lines <= 15)) || { echo "$source: the compiler says $lines lines; keep to 15" && status=1; }
  diff -u "${source%.cpp}.output" - <<< "$said" || status=1
done
((status == 0)) || echo "to accept what $compiler says: tests/compile_fail/compiler-output.sh --update $compiler $2"
exit $status

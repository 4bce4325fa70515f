#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# all-discovered.sh CTEST PREFIX EXECUTABLE [SPEC]
# Run in the build directory: succeeds when CTEST knows every test case that the executable lists, as PREFIX/NAME. Of a
# name with a character that a list of CMake's takes for its own it knows something else, and that no test case has that
# name is a success to Catch2 2. So these characters are refused in any case.
set -euo pipefail
export LC_ALL=C
ctest=$1 prefix=$2 executable=$3 spec=("${@:4}")
names=$(mktemp)
trap 'rm "$names"' EXIT

# The first is for Catch2 2, which exits with their number, the second for Catch2 3, which does not know the first.
"$executable" "${spec[@]}" --list-test-names-only > "$names" 2> /dev/null || true
[[ -s $names ]] || "$executable" "${spec[@]}" --list-tests --verbosity quiet > "$names"
[[ -s $names ]] || { echo "$executable lists no test case" >&2; exit 1; }
if grep -n '[][;\"]' "$names"; then
  echo "these names have a bracket, a semicolon, a backslash or a quote: CMake or Catch2 would take them for others" >&2
  exit 1
fi
missing=$(comm -23 <(sort "$names") <("$ctest" -N | sed -nE "s,^ *Test +#[0-9]+: $prefix(.*),\1,p" | sort))
[[ -z $missing ]] || { echo "ctest does not know these of $executable:" >&2 && echo "$missing" >&2 && exit 1; }
echo "ctest knows the $(wc -l < "$names") test cases of $(basename "$executable")"

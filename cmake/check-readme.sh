#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# check-readme.sh README: every block between "<!-- block: FILE -->" and "<!-- end block -->" is that file, fenced.
# With --update the blocks are rewritten from the files.
set -euo pipefail
update=0
if [[ ${1:-} == --update ]]; then
  update=1
  shift
fi
readme=$1
root=$(dirname "$readme")
expected=$(mktemp)
trap 'rm -f "$expected"' EXIT

inside=0
while IFS= read -r line; do
  if [[ $line =~ ^\<!--\ block:\ ([^ ]+)\ --\>$ ]]; then
    file=${BASH_REMATCH[1]}
    fence='```'
    [[ $file == *.cpp ]] && fence='```cpp'
    printf '%s\n%s\n' "$line" "$fence"
    grep -v '^// SPDX' "$root/$file"
    printf '```\n'
    inside=1
  elif [[ $line == '<!-- end block -->' ]]; then
    inside=0
  fi
  ((inside)) || printf '%s\n' "$line"
done < "$readme" > "$expected"

if ((update)); then
  cp "$expected" "$readme"
else
  diff -u "$readme" "$expected" || {
    echo "the blocks of $readme are not the files they name; run cmake/check-readme.sh --update $readme" >&2
    exit 1
  }
fi

#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# count.sh FOLDER: instructions of one update, counted by callgrind, of the programs library_update and
# hand_written_update in FOLDER: those of 2 N updates less those of N, so that what happens once does not count.
# Fails if the two do not reach the same parameters, or if the library takes more than 0.5 % more.
set -euo pipefail
export LC_ALL=C
folder=$1
updates=3

# count PROGRAM PROBLEM UPDATES
count() {
  valgrind --tool=callgrind --callgrind-out-file=/dev/null "$folder/$1" "$2" "$3" 2>&1 > /dev/null \
    | sed -n 's/.*Collected *: *\([0-9]*\).*/\1/p'
}
per_update() { echo $((($(count "$1" "$2" $((2 * updates))) - $(count "$1" "$2" $updates)) / updates)); }

declare -A problems=([small]="D 2, hidden 64 64" [large]="D 256, hidden 256 256")
failed=0
echo "mlp_generator, batch 64, horizon 4, one thread, x86-64-v3; instructions of one update"
echo
printf '%-24s %12s %14s %12s   %s\n' network library "by hand" difference parameters
for problem in small large; do
  library=$(per_update library_update $problem)
  by_hand=$(per_update hand_written_update $problem)
  same="the same bits"
  if [[ $("$folder/library_update" $problem $updates) != $("$folder/hand_written_update" $problem $updates) ]]; then
    same=DIFFERENT
    failed=1
  fi
  awk -v a="$library" -v b="$by_hand" 'BEGIN { exit !(a > 1.005 * b) }' && failed=1
  printf '%-24s %12d %14d %10.2f %%   %s\n' "${problems[$problem]}" "$library" "$by_hand" \
    "$(awk -v a="$library" -v b="$by_hand" 'BEGIN { print 100 * (a - b) / b }')" "$same"
done
if ((failed)); then
  echo "more than 0.5 % above the hand-written update, or other parameters" >&2
  exit 1
fi

#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# header-lengths.sh INCLUDE [LONGEST]: prints how many lines the headers of INCLUDE/fewstep have, and fails where one has
# more than LONGEST (300), half of them have more than 100, or a tenth more than 240: a header does one thing.
set -euo pipefail
cd "${1:?usage: header-lengths.sh INCLUDE [LONGEST]}"
longest=${2:-300} most_of_half=100 most_of_nine_tenths=240

lengths=$(find fewstep \( -name '*.hpp' -o -name '*.cuh' \) -exec wc -l {} + | awk '$2 != "total" { print $1, $2 }' | sort -n)
count=$(wc -l <<< "$lengths")
# at RANK: the length of the header at that place, the shortest first.
at() {
  sed -n "$1{s/ .*//;p;}" <<< "$lengths"
}
median=$(at $(((count + 1) / 2))) p90=$(at $(((9 * count + 9) / 10)))
echo "$count headers, $median lines or fewer in half of them, $p90 in nine tenths, $(at "$count") in the longest"

long=$(awk -v most="$longest" '$1 > most { print $2 " has " $1 " lines; the most is " most }' <<< "$lengths")
if [[ -n $long ]]; then
  echo "$long"
  exit 1
fi
((median <= most_of_half && p90 <= most_of_nine_tenths)) || {
  echo "the most is $most_of_half lines in half of them and $most_of_nine_tenths in nine tenths"
  exit 1
}

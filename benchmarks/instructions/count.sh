#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# count.sh FOLDER [--record]: instructions of one update, counted by callgrind, of the programs library_update,
# hand_written_update and unet_update in FOLDER: those of 2 N updates less those of N, so that what happens once does
# not count. Fails if library_update and hand_written_update do not reach the same parameters, if the library takes more
# than 0.3 % more and more than 100 instructions more for each sample and step (which is where its bookkeeping shows in
# the smallest of networks), or if a count is more than 2 % above recorded.txt, which --record writes. Another compiler
# than that of the record makes other code: then nothing is compared with it.
set -euo pipefail
export LC_ALL=C
folder=$1
record=$(dirname "$0")/recorded.txt

# count PROGRAM PROBLEM UPDATES
count() {
  valgrind --tool=callgrind --callgrind-out-file=/dev/null "$folder/$1" "$2" "$3" 2>&1 > /dev/null \
    | sed -n 's/.*Collected *: *\([0-9]*\).*/\1/p'
}
# per_update PROGRAM PROBLEM UPDATES
per_update() { echo $((($(count "$1" "$2" $((2 * $3))) - $(count "$1" "$2" "$3")) / $3)); }
# percent A B: by how much A is above B
percent() { awk -v a="$1" -v b="$2" 'BEGIN { printf "%+.2f %%", 100 * (a - b) / b }'; }
# exceeds A B FACTOR
exceeds() { awk -v a="$1" -v b="$2" -v factor="$3" 'BEGIN { exit !(a > factor * b) }'; }
recorded() { sed -n "s/^$1 //p" "$record" 2> /dev/null || true; }

compiler=$("$folder/unet_update" compiler)
declare -A problems=(
  [small]="mlp, D 2, hidden 64 64" [medium]="mlp, D 16, hidden 128 128" [large]="mlp, D 256, hidden 256 256"
  [unet]="U-Net, widths 16 32")
declare -A updates=([small]=3 [medium]=3 [large]=1 [unet]=1)  # valgrind is slow at multiply-adds
declare -A counts
failures=()
echo "instructions of one update, one thread, x86-64-v3, $compiler"
echo "mlp: batch 64, horizon 4; U-Net: 16 x 16 pixels, batch 8, horizon 2; each: difference for each sample and step"
echo
printf '%-28s %12s %12s %10s %5s   %-14s %12s %10s\n' network library "by hand" difference each parameters recorded change
for problem in small medium large unet; do
  by_hand=- difference=- each=- same=-
  if [[ $problem == unet ]]; then
    library=$(per_update unet_update unet ${updates[unet]})
  else
    library=$(per_update library_update $problem ${updates[$problem]})
    by_hand=$(per_update hand_written_update $problem ${updates[$problem]})
    difference=$(percent "$library" "$by_hand")
    same="the same bits"
    if [[ $("$folder/library_update" $problem 3) != $("$folder/hand_written_update" $problem 3) ]]; then
      same=DIFFERENT
      failures+=("$problem: other parameters than by hand")
    fi
    each=$(((library - by_hand) / (64 * 4)))
    exceeds "$library" "$by_hand" 1.003 && ((each > 100)) \
      && failures+=("$problem: more than 0.3 % and 100 instructions a sample and step above the hand-written update")
  fi
  counts[$problem]=$library
  before=$(recorded $problem)
  change=-
  if [[ -n $before && $(recorded compiler) == "$compiler" ]]; then
    change=$(percent "$library" "$before")
    exceeds "$library" "$before" 1.02 && failures+=("$problem: more than 2 % above the record")
  fi
  printf '%-28s %12s %12s %10s %5s   %-14s %12s %10s\n' "${problems[$problem]}" "$library" "$by_hand" "$difference" \
    "$each" "$same" "${before:--}" "$change"
done

if [[ ${2:-} == --record ]]; then
  {
    echo "# Instructions of one update: ./run bench instructions --record"
    echo "compiler $compiler"
    for problem in small medium large unet; do echo "$problem ${counts[$problem]}"; done
  } > "$record"
  echo "recorded in $record"
  failures=("${failures[@]/*above the record/}")
elif [[ $(recorded compiler) != "$compiler" ]]; then
  echo "not compared with the record, which is of $(recorded compiler)"
fi
failed=0
for failure in "${failures[@]}"; do
  [[ -n $failure ]] || continue
  echo "$failure" >&2
  failed=1
done
exit $failed

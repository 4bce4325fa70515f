#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# compile_time.sh [RUNS]: processor time (user and system; the compilers run on one core) to compile the umbrella header
# alone and the smallest RLCM program, the example of the README, with each compiler that is found. Medians of RUNS.
set -euo pipefail
export LC_ALL=C
cd "$(dirname "$(readlink -f "$0")")/.."
runs=${1:-5}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
echo '#include <fewstep/fewstep.hpp>' > "$work/umbrella.cpp"
cp examples/gaussian_mixture.cpp "$work/program.cpp"

# seconds COMMAND...: processor time of one run.
seconds() {
  local TIMEFORMAT='%U %S'
  { time "$@" > /dev/null 2>&1; } 2>&1 | awk '{ print $1 + $2 }'  # a warning is no time
}

printf '%-20s %-34s %10s %10s %10s\n' compiler compiled median slowest target
for compiler in g++ clang++-19; do
  command -v "$compiler" > /dev/null || continue
  version="$compiler $("$compiler" -dumpfullversion -dumpversion)"
  for source in umbrella program; do
    command=("$compiler" -std=c++20 -O3 -march=native -fopenmp -I include -c "$work/$source.cpp" -o "$work/object.o")
    "${command[@]}" 2> "$work/messages" || { cat "$work/messages" >&2; exit 1; }  # also fills the file cache
    times=$(for ((i = 0; i < runs; ++i)); do seconds "${command[@]}"; done | sort -n)
    median=$(sed -n "$(((runs + 1) / 2))p" <<< "$times")
    target=3
    what="umbrella header alone"
    if [[ $source == program ]]; then
      target=20
      what="smallest RLCM program"
    fi
    printf '%-20s %-34s %8.2f s %8.2f s %8s s\n' "$version" "$what" "$median" "$(tail -1 <<< "$times")" "< $target"
  done
done

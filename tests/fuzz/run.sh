#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Runs fuzz targets and prints what each did. A finding (crash, leak, time-out, too much memory) is written to the
# folder of findings with the command that repeats it, and the script ends with 1.
#
#   tests/fuzz/run.sh SECONDS [TARGET...]     all targets, or those named (safetensors, checkpoint, ...)
#
# Environment: FUZZ_BUILD, the build folder (build/fuzz); FUZZ_JOBS, targets at a time (all cores); FUZZ_OUTPUT, where
# the grown corpora, logs and findings go (FUZZ_BUILD/fuzzing). A corpus is kept and grows from run to run.
#
# One input may take 10 seconds, and 100 MB of heap plus 16 times its size, which the targets count by themselves
# (fuzz.hpp); the limits below are on the whole process, sanitizers included. NAME.options has further flags of
# libFuzzer for one target, NAME.dict its words; its first inputs are in seeds/NAME, or written by fuzz_seeds.
set -uo pipefail
cd "$(dirname "$0")/../.." || exit

seconds=${1:?usage: tests/fuzz/run.sh SECONDS [TARGET...]}
shift
build=$(realpath -m "${FUZZ_BUILD:-build/fuzz}")
output=$(realpath -m "${FUZZ_OUTPUT:-$build/fuzzing}")
jobs=${FUZZ_JOBS:-$(nproc)}

targets=("$@")
if ((!$#)); then
  for source in tests/fuzz/*.cpp; do
    targets+=("$(basename "$source" .cpp)")
  done
fi

# fuzz NAME: one target for so many seconds; its log and its exit status stand in the output folder.
fuzz() {
  local name=$1 folder=$output/$1 flags=() seeds
  mkdir -p "$folder/corpus" "$folder/findings"
  rm -f "$folder/findings/"*
  [[ -f tests/fuzz/$name.options ]] && read -ra flags < "tests/fuzz/$name.options"
  [[ -f tests/fuzz/$name.dict ]] && flags+=("-dict=tests/fuzz/$name.dict")
  for seeds in "tests/fuzz/seeds/$name" "$output/seeds/$name"; do
    [[ -d $seeds ]] && flags+=("$seeds")
  done
  "$build/tests/fuzz/fuzz_$name" "$folder/corpus" "${flags[@]}" -max_total_time="$seconds" -timeout=10 \
    -malloc_limit_mb=512 -rss_limit_mb=2048 -print_final_stats=1 -verbosity=1 \
    -artifact_prefix="$folder/findings/" > "$folder/log" 2>&1 < /dev/null
  echo $? > "$folder/status"
}

for name in "${targets[@]}"; do
  [[ -x $build/tests/fuzz/fuzz_$name ]] || { echo "run.sh: there is no $build/tests/fuzz/fuzz_$name; build it first" >&2; exit 2; }
done
"$build/tests/fuzz/fuzz_seeds" "$output/seeds" || exit 2
for name in "${targets[@]}"; do
  while (($(jobs -rp | wc -l) >= jobs)); do wait -n; done
  fuzz "$name" &
done
wait

# stat NAME KEY: a number of libFuzzer's final statistics.
stat() { sed -nE "s/^stat::$2: +([0-9]+).*/\1/p" "$output/$1/log" | tail -n 1; }

failed=0
printf '%-20s %12s %8s %14s %16s %10s  %s\n' target executions corpus 'process, MB' 'heap, bytes' slowest,s result
for name in "${targets[@]}"; do
  result=ok
  [[ $(< "$output/$name/status") == 0 && -z $(ls -A "$output/$name/findings") ]] || { result=FOUND; failed=1; }
  printf '%-20s %12s %8s %14s %16s %10s  %s\n' "$name" "$(stat "$name" number_of_executed_units)" \
    "$(find "$output/$name/corpus" -type f | wc -l)" "$(stat "$name" peak_rss_mb)" "$(stat "$name" largest_heap)" \
    "$(stat "$name" slowest_unit_time_sec)" "$result"
done
for name in "${targets[@]}"; do
  [[ $(< "$output/$name/status") == 0 ]] && continue
  echo "--- $name: $output/$name/log"
  grep -aE 'ERROR|SUMMARY|^fuzz:|terminate|what\(\)' "$output/$name/log" | head -n 5
  for finding in "$output/$name/findings/"*; do
    [[ -f $finding ]] && echo "repeat: $build/tests/fuzz/fuzz_$name $finding"
  done
done
exit $failed

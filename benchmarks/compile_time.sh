#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# compile_time.sh [RUNS [COMPILER...]]: processor time (user and system; the compilers run on one core) to compile the
# umbrella header alone, the smallest RLCM program, which is the example of the README, and a program that trains a U-Net,
# each also by the means of docs/compile-time.md. Medians of RUNS, with each compiler that is found.
set -euo pipefail
export LC_ALL=C
cd "$(dirname "$(readlink -f "$0")")/.."
runs=${1:-5}
compilers=("${@:2}")
((${#compilers[@]})) || compilers=(g++ clang++-19)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
echo '#include <fewstep/fewstep.hpp>' > "$work/umbrella.hpp"
echo '#include "umbrella.hpp"' > "$work/umbrella.cpp"
sed 's/<fewstep\/fewstep.hpp>/"umbrella.hpp"/' examples/gaussian_mixture.cpp > "$work/program.cpp"
cat > "$work/unet.cpp" << 'END'
#include "umbrella.hpp"
#include UNET_HEADER
int main() {
  fewstep::cpu_backend backend;
  UNET<fewstep::cpu_backend> model(backend, fewstep::vocabulary({"red", "blue"}), {});
  auto first = fewstep::per_sample([](fewstep::vec<const float> x, const fewstep::token_list&) { return x[0]; });
  auto trainer = fewstep::rlcm(backend, model, first, fewstep::adam{}, {});
  trainer.update(std::vector{model.encode("red")});
}
END

# seconds COMMAND...: processor time of one run.
seconds() {
  local TIMEFORMAT='%U %S'
  { time "$@" > "$work/messages" 2>&1; } 2> "$work/times" || { cat "$work/messages" >&2 && exit 1; }
  awk '{ print $1 + $2 }' "$work/times"
}

# row WHAT TARGET SOURCE FLAGS...: a line of the table; a TARGET of 0 is none.
row() {
  local what=$1 target=$2 source=$3 times
  times=$(for ((i = 0; i < runs; ++i)); do
    seconds "$compiler" -std=c++20 -O3 -march=native -fopenmp -I include -I examples "${@:4}" -c "$work/$source.cpp" \
      -o "$work/object.o"
  done | sort -n)
  ((target)) && target="< $target s" || target=
  printf '%-20s %-46s %8.2f s %8.2f s %8s\n' "$version" "$what" "$(sed -n "$(((runs + 1) / 2))p" <<< "$times")" \
    "$(tail -1 <<< "$times")" "$target"
}

text_unet=(-D UNET=fewstep::text_unet -D 'UNET_HEADER=<fewstep/generator/text_unet.hpp>')
compiled_unet=(-D UNET=text_to_emoji::emoji_generator -D 'UNET_HEADER="text_to_emoji/emoji_generator.hpp"')
printf '%-20s %-46s %10s %10s %8s\n' compiler compiled median slowest target
for compiler in "${compilers[@]}"; do
  command -v "$compiler" > /dev/null || continue
  version="$compiler $("$compiler" -dumpfullversion -dumpversion)"
  rm -f "$work"/umbrella.hpp.*
  row "umbrella header alone" 3 umbrella
  row "smallest RLCM program" 20 program
  row "smallest RLCM program, -O1" 0 program -O1
  row "a U-Net and its trainer" 0 unet "${text_unet[@]}"
  row "a U-Net and its trainer, -O1" 0 unet "${text_unet[@]}" -O1
  row "a U-Net and its trainer, kernels compiled once" 0 unet "${text_unet[@]}" -include compiled_kernels/kernels.hpp
  row "a U-Net's trainer, the U-Net compiled once" 0 unet "${compiled_unet[@]}"
  if [[ $compiler == g++* ]]; then  # clang++ has to be told of a precompiled header
    "$compiler" -std=c++20 -O3 -march=native -fopenmp -I include -x c++-header "$work/umbrella.hpp" -o "$work/umbrella.hpp.gch"
    row "smallest RLCM program, precompiled header" 0 program
  fi
done

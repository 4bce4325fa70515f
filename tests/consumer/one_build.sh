#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# one_build.sh COMPILER INCLUDE FOLDER: two files that include fewstep link where their flags agree, and where they do not
# the linker names what to do.
set -euo pipefail
compiler=$1 include=$2 folder=$3
mkdir -p "$folder" && cd "$folder"
echo '#include <fewstep/core/view.hpp>
int other() { return 0; }' > other.cpp
echo '#include <fewstep/core/view.hpp>
int other();
int main() { return other(); }' > main.cpp

# program FLAGS FLAGS LINK: the program of main.cpp and other.cpp with flags each.
program() {
  # shellcheck disable=SC2086
  "$compiler" -std=c++20 -fopenmp -I "$include" $1 -c main.cpp && "$compiler" -std=c++20 -fopenmp -I "$include" $2 -c other.cpp \
    && "$compiler" -fopenmp $3 main.o other.o -o program 2> said && ./program
}
symbol=fewstep_all_files_need_the_same_march_and_openmp_
for flags in -O0 "-O2 -march=x86-64-v3" "-O2 -fPIC -ffunction-sections -fdata-sections"; do
  program "$flags" "$flags -O1" -Wl,--gc-sections || { cat said; echo "one_build: $flags does not link with itself"; exit 1; }
  for other in -march=x86-64-v2 "-march=x86-64-v3 -mno-fma" -DFEWSTEP_NO_OPENMP; do
    if program "$flags" "$flags $other" -Wl,--gc-sections; then
      echo "one_build: $flags links with $other"
      exit 1
    fi
    grep -q "$symbol" said || { cat said; echo "one_build: the linker does not say why"; exit 1; }
  done
done

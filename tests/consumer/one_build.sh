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
# refused FLAGS FLAGS LINK: the program does not link, and the linker says why.
refused() {
  if program "$@"; then
    echo "one_build: $1 links with $2"
    exit 1
  fi
  grep -q "$symbol" said || { cat said; echo "one_build: the linker does not say why"; exit 1; }
}
symbol=fewstep_all_files_need_the_same_march_and_openmp_
for flags in -O0 "-O2 -march=x86-64-v3" "-O2 -fPIC -ffunction-sections -fdata-sections"; do
  program "$flags" "$flags -O1" -Wl,--gc-sections || { cat said; echo "one_build: $flags does not link with itself"; exit 1; }
  for other in -march=x86-64-v2 "-march=x86-64-v3 -mno-fma" -DFEWSTEP_NO_OPENMP; do
    refused "$flags" "$flags $other" -Wl,--gc-sections
  done
done

# Link time optimization makes one file of many (clang++ needs a plugin for it); a precompiled header is no file of its
# own.
echo 'int main() {}' > lto.cpp
if "$compiler" -flto lto.cpp -o lto 2> said; then
  program "-O2 -flto" "-O2 -flto" "-O2 -flto" || { cat said; echo "one_build: -O2 -flto does not link with itself"; exit 1; }
  refused "-O2 -flto" "-O2 -flto -march=x86-64-v3" "-O2 -flto"
fi
echo '#include <fewstep/core/view.hpp>' > all.hpp
case $compiler in
  *clang*) precompiled=all.hpp.pch use="-include-pch all.hpp.pch" ;;
  *) precompiled=all.hpp.gch use="-include all.hpp" ;;
esac
"$compiler" -std=c++20 -fopenmp -I "$include" -x c++-header all.hpp -o "$precompiled"
program "$use" "$use" "" || { cat said; echo "one_build: a precompiled header does not link with itself"; exit 1; }
refused "$use" "-O2 -march=x86-64-v3" ""

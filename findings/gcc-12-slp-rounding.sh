#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# g++ 12 (Debian 12: 12.2.0) at -O2 and -O3: two doubles side by side that are rounded to float and used as doubles again
# are not rounded. The SLP vectoriser makes one conversion of vectors of each pair, and a later pass takes the way from
# vector(2) double to vector(2) float and back for none. -O1, -fno-tree-slp-vectorize and a float that goes through memory
# (volatile, or asm with the constraint "+m") are right.
set -euo pipefail
command -v g++-12 > /dev/null || { apt-get update -qq && apt-get install -y -qq --no-install-recommends g++-12 > /dev/null; }
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

cat > "$folder/round.cpp" << 'CPP'
#include <cstdio>
#ifdef THROUGH_MEMORY
double widened(float x) { asm("" : "+m"(x)); return x; }
#else
double widened(float x) { return x; }
#endif
[[gnu::noinline]] void thirds(const double* x, double* y) {
  const float first = static_cast<float>(x[0] / 3), second = static_cast<float>(x[1] / 3);
  y[0] = 5 * widened(first);
  y[1] = 5 * widened(second);
}
int main() {
  int wrong = 0;
  for (int i = 1; i <= 1000; ++i) {
    const double x[] = {i + 0.25, i + 0.75};
    double y[2];
    thirds(x, y);
    for (int k = 0; k < 2; ++k) {
      volatile float rounded = static_cast<float>(x[k] / 3);
      wrong += y[k] != 5 * static_cast<double>(rounded);
    }
  }
  std::printf("%d\n", wrong);
}
CPP

# wrong FLAGS...: how many of the 2000 products have a factor that was not rounded.
wrong() {
  g++-12 -std=c++20 "$@" -o "$folder/round" "$folder/round.cpp"
  "$folder/round"
}

version=$(g++-12 -dumpfullversion)
echo "version: g++ $version"
[[ $version == 12.2.0 ]]
echo "expected: 0 of 2000 products have a factor that was not rounded to float"
for flags in -O2 -O3; do
  found=$(wrong $flags)
  echo "seen: $flags: $found"
  [[ $found == 1334 ]]  # all but those that are floats already
done
for flags in -O1 "-O2 -fno-tree-slp-vectorize" "-O2 -DTHROUGH_MEMORY" "-O3 -DTHROUGH_MEMORY"; do
  # shellcheck disable=SC2086
  found=$(wrong $flags)
  echo "seen: $flags: $found"
  [[ $found == 0 ]]
done

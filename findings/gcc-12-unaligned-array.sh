#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# g++ 12 (Debian 12: 12.2.0, Debian 13: 12.4.0) at -O2 for processors with AVX-512: an array of structs that are aligned to
# 16 bytes lies in the red zone of a function that calls nothing, at an address that is 8 above a multiple of 16, and is
# stored to and loaded from by vmovdqa, which faults there. g++ 13 and 14, -O1, -O3 and -mno-red-zone are right;
# -mstackrealign does not help. Nothing is run: the place of the array follows from the assembly.
set -euo pipefail
command -v g++-12 > /dev/null || { apt-get update -qq && apt-get install -y -qq --no-install-recommends g++-12 > /dev/null; }
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

cat > "$folder/gather.cpp" << 'CPP'
struct alignas(16) four { float x, y, z, w; };
struct grid { int rows, columns, kernel, stride, padding; };
void gather(const four* from, four* to, const grid& g, int row, int column, int across) {
  const int taps = g.kernel * g.kernel;
  for (int tap = 0; tap < taps; tap += 4) {
    four held[4];
    for (int u = 0; u < 4; ++u) {
      held[u] = {};
      if (tap + u >= taps) continue;
      const int y = row * g.stride - g.padding + (tap + u) / g.kernel;
      const int x = column * g.stride - g.padding + (tap + u) % g.kernel;
      if (y >= 0 && x >= 0 && y < g.rows && x < g.columns) held[u] = from[(long(y) * g.columns + x) * across];
    }
    for (int u = 0; u < 4; ++u)
      if (tap + u < taps) to[long(tap + u) * across] = held[u];
  }
}
CPP

# remainder FLAGS...: of the array's address by 16. On entry that of %rsp is 8, and every pushq takes 8.
remainder() {
  g++-12 -std=c++20 "$@" -S -o "$folder/gather.s" "$folder/gather.cpp"
  grep -qE '^\s+vmovdqa\s+%xmm[0-9]+, \(%r(8|[a-ds][xi])\)' "$folder/gather.s" || { echo "no aligned store"; return; }
  awk '/\tandq\t\$-[0-9]+, %rsp/ { aligned = 1 }
    /\tpushq\t/ { down += 8 }
    /\tsubq\t\$[0-9]+, %rsp/ { match($0, /[0-9]+/); down += substr($0, RSTART, RLENGTH) }
    /\tleaq\t-?[0-9]*\(%rsp\)/ && !seen++ { match($0, /-?[0-9]+/); offset = substr($0, RSTART, RLENGTH) }
    END { print aligned ? 0 : (((8 - down + offset) % 16) + 16) % 16 }' "$folder/gather.s"
}

echo "version: g++ $(g++-12 -dumpfullversion)"
echo "expected: the address of an array of alignas(16) structs is a multiple of 16"
for processor in skylake-avx512 icelake-server sapphirerapids; do
  found=$(remainder -O2 -march=$processor)
  echo "seen: -O2 -march=$processor: vmovdqa to an array whose address is $found above a multiple of 16"
  [[ $found == 8 ]]
done
found=$(remainder -O2 -march=skylake-avx512 -mstackrealign)
echo "seen: the same with -mstackrealign: $found"
[[ $found == 8 ]]
found=$(remainder -O2 -march=skylake-avx512 -mno-red-zone)
echo "seen: with -mno-red-zone: $found"
[[ $found == 0 ]]

#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# no-split-chains.sh TILES.CPP INCLUDE COMPILER PROCESSOR
# Succeeds when the compiler makes fused multiply-adds, and no product on its own, of every tile for this processor: a
# tile that rounds twice where the others round once would give a row other bits in another batch.
set -euo pipefail
assembly=$("$3" -std=c++20 -O3 -march="$4" -I "$2" -S -o - "$1")
fused=$(grep -cE '^\s+vf(n?)madd' <<< "$assembly" || true)
split=$(grep -E '^\s+vmul[ps][sd]' <<< "$assembly" || true)
((fused > 0)) || { echo "$4: there is no fused multiply-add; is this the right file?" >&2; exit 1; }
[[ -z $split ]] || { echo "$4: a product on its own among $fused fused ones:" >&2; echo "$split" >&2; exit 1; }
echo "$4: $fused fused multiply-adds, no product on its own"

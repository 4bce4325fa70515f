#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# aligned-stack.sh STACK_ACCESSES PROCESSOR SOURCE COMPILER FLAGS...
# Succeeds when the compiler's code for this processor, at -O2 and at -O3, makes no aligned access to an unaligned place
# of the stack; STACK_ACCESSES looks for one. SOURCE may be what nvcc made of a .cu file for the host (.ii).
set -euo pipefail
stack_accesses=$1 processor=$2 source=$3 compiler=$4
flags=(-std=c++20 -march="$processor" "${@:5}")
folder=$(mktemp -d)
trap 'rm -r "$folder"' EXIT

[[ $source != *.ii ]] || flags+=(-w)  # of what nvcc writes
status=0
for level in -O2 -O3; do
  "$compiler" "$level" "${flags[@]}" -x c++ -S -o "$folder/assembly.s" "$source"
  printf '%s %s: ' "$processor" "$level"
  "$stack_accesses" < "$folder/assembly.s" || status=$?
done
exit $status

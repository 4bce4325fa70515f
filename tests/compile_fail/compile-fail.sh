#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# compile-fail.sh SOURCE COMPILER FLAGS...
#
# Succeeds when the compiler refuses SOURCE for the reasons that SOURCE gives, and for no others. It marks every bad
# line so:
#   bad_call();  // error: EXTENDED REGEX
# The compiler's errors must be as many as the marked lines, match their expressions in order, and mention these lines:
# so what a user reads first is what the line says, and nothing comes after it.

source=$1
compiler=$2
shift 2

fail() {
  echo "$(basename "$source"): $1" >&2
  echo "The compiler said:" >&2
  echo "$output" >&2
  exit 1
}

output=$(LC_ALL=C "$compiler" -std=c++20 -fopenmp -fsyntax-only -fdiagnostics-color=never "$@" "$source" 2>&1) \
  && fail "compiles, and must not"

# The compiler may quote the marked lines; what counts is what it says about them.
said=$(grep -v '// error: ' <<< "$output")
mapfile -t expected < <(grep -n '// error: ' "$source")
mapfile -t errors < <(grep -E 'error: ' <<< "$said")
((${#expected[@]})) || fail "has no line that ends in '// error: REGEX'"
for i in "${!expected[@]}"; do
  number=${expected[i]%%:*}
  regex=${expected[i]##*// error: }
  grep -qF "$(basename "$source"):$number:" <<< "$said" || fail "line $number is not mentioned"
  grep -qE -- "$regex" <<< "${errors[i]:-}" || fail "line $number: error $((i + 1)) is '${errors[i]:-}', not '$regex'"
done
((${#errors[@]} == ${#expected[@]})) \
  || fail "${#expected[@]} lines are marked, but there are ${#errors[@]} errors; beyond them: ${errors[${#expected[@]}]}"

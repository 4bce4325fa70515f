#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# compile-fail.sh SOURCE COMPILER FLAGS...
#
# Succeeds when the compiler refuses SOURCE for the reasons that SOURCE gives. It marks every bad line so:
#   bad_call();  // error: EXTENDED REGEX
# The compiler's output must name each of these lines and match its expression, and there must be at least one.

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
expected=$(grep -n '// error: ' "$source") || fail "has no line that ends in '// error: REGEX'"
while IFS= read -r line; do
  number=${line%%:*}
  regex=${line##*// error: }
  grep -qF "$(basename "$source"):$number:" <<< "$said" || fail "line $number is not mentioned"
  grep -qE "$regex" <<< "$said" || fail "line $number: no message matches '$regex'"
done <<< "$expected"

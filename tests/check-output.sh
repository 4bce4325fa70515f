#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# check-output.sh EXPECTED PROGRAM [ARGUMENTS]
# Runs the program and succeeds when it does and its standard output is the content of the file EXPECTED.

set -o pipefail
expected=$1
shift
"$@" | diff --unified "$expected" - --label "$expected" --label "the program's output"

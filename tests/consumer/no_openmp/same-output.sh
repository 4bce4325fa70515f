#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# same-output.sh PROGRAM PROGRAM: runs both, and succeeds when both do and print the same.
set -euo pipefail
first=$("$1")
second=$("$2")
printf '%s: %s\n' "$1" "$first" "$2" "$second"
[[ -n $first && $first == "$second" ]]

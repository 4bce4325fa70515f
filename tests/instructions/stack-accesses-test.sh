#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# stack-accesses-test.sh STACK_ACCESSES ASSEMBLY EXPECTED
# What STACK_ACCESSES finds in ASSEMBLY is the content of EXPECTED, and it fails over it; it refuses an empty file.
set -uo pipefail
found=$("$1" < "$2")
(($? == 1)) || { echo "stack_accesses does not fail over $2" >&2; exit 1; }
"$1" < /dev/null 2> /dev/null
(($? == 2)) || { echo "stack_accesses takes an empty file" >&2; exit 1; }
diff -u "$3" - <<< "$found"

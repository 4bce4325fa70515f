#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# compile.sh LOG NVCC FLAGS...
# Compiles for one architecture and writes to LOG what ptxas says about every kernel.
set -euo pipefail
log=$1
shift
"$@" -Xptxas -v -cubin -o "$log.cubin" 2> "$log.new" || { cat "$log.new" >&2 && exit 1; }
rm "$log.cubin"
mv "$log.new" "$log"

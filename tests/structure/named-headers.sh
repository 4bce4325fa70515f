#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# named-headers.sh PAGE INCLUDE
#
# The headers that PAGE names (`folder/header.hpp`) are in INCLUDE/fewstep; of a `folder/NAME.hpp`, the folder.
set -euo pipefail

missing=0
while IFS= read -r name; do
  path=$2/fewstep/${name#fewstep/}
  [[ $name != */NAME.* ]] || path=$(dirname "$path")
  [[ -e $path ]] || { echo "$1: there is no $name"; missing=1; }
done < <(grep -oE '`[a-z0-9_/]+/[A-Za-z0-9_]+[.](hpp|cuh)`' "$1" | tr -d '`' | sort -u)
exit "$missing"

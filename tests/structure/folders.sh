#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# folders.sh INCLUDE: prints the folders of INCLUDE/fewstep from the top of the library down to its ground, each before
# those that its headers include, and fails where folders include each other in a circle.
set -euo pipefail
cd "${1:?usage: folders.sh INCLUDE}"

# Every include between two folders as "from to"; a folder without any stands beside itself, which tsort takes for a
# folder without an order.
edges() {
  grep -rE --include='*.hpp' --include='*.cuh' '^#include <fewstep/[^/>]+/' fewstep \
    | sed -nE 's|^fewstep/([^/]+)/.*<fewstep/([^/]+)/.*|\1 \2|p' | sort -u
}

if ! order=$(edges | tsort 2>&1); then
  echo "folders include each other in a circle:"
  circle=$(sed -n 's/^tsort: //p' <<< "$order" | grep -v ':' | sort -u)
  for from in $circle; do
    for to in $circle; do
      [[ $from == "$to" ]] || grep -rE "^#include <fewstep/$to/" "fewstep/$from" || true
    done
  done
  exit 1
fi
echo "$order"

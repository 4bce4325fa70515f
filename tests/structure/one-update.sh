#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# one-update.sh INCLUDE: fails where a header of INCLUDE/fewstep outside parameter_update moves parameters by itself, so
# that norm, clipping, schedule, average and checkpoint of every training stay in one place.
set -euo pipefail
cd "${1:?usage: one-update.sh INCLUDE}"

calls=$(grep -rnE --include='*.hpp' --include='*.cuh' '[.>]update\(backend|\boptimizer_step\(|\bclip_factor\(' \
  fewstep | grep -vE '^fewstep/optimizer/(parameter_update|optimizer|gradient_norm)[.]hpp:' || true)
if [[ -n $calls ]]; then
  echo "an optimizer is called outside parameter_update:"
  echo "$calls"
  exit 1
fi
grep -qF 'optimizer_step(' fewstep/optimizer/parameter_update.hpp
echo "one place calls an optimizer: fewstep/optimizer/parameter_update.hpp"

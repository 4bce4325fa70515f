#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# What ./run bench does, with its arguments.
set -euo pipefail
# shellcheck source=cmake/build.sh
source "$(dirname "$(readlink -f "$0")")/../cmake/build.sh"

# make_ready TARGET...: builds these benchmarks.
make_ready() {
  local target
  install_packages bench
  configure BENCHMARKS
  for target; do compile "$target"; done
}

case ${1:-} in
  compile)
    install_packages bench
    exec benchmarks/compile_time.sh "${@:2}"
    ;;
  instructions)
    install_packages instructions
    make_ready instruction_programs
    exec benchmarks/instructions/count.sh "$build/benchmarks" "${@:2}"
    ;;
  account | scaling)
    make_ready "fewstep_$1"
    exec "$build/fewstep_$1" "${@:2}"
    ;;
  --peer | --memory)
    # A PyTorch of the user's own is newer than the distribution's, and faster.
    python=${PYTHON:-python3}
    if ! "$python" -c "import torch" 2> /dev/null; then
      [[ -z ${PYTHON:-} ]] || die "$PYTHON cannot import torch"
      install_packages pytorch
      python=/usr/bin/python3
    fi
    program=fewstep_peer script=peer.py
    [[ $1 == --peer ]] || program=fewstep_peer_memory script=memory.py
    make_ready $program
    export PYTHONDONTWRITEBYTECODE=1
    exec "$python" benchmarks/pytorch_peer/$script --fewstep "$build/$program" "${@:2}"
    ;;
  --compare)
    (($# >= 2)) || die "bench --compare OTHER_BUILD [FILTER [PAIRS]]: which build?"
    other=$(cd "$RUN_FROM" && realpath "$2")
    make_ready fewstep_bench fewstep_compare
    exec "$build/fewstep_compare" "$build" "$other" "${@:3}"
    ;;
  *)
    filter=.
    [[ ${1:--} == -* ]] || { filter=$1 && shift; }
    make_ready fewstep_bench
    say "measuring; a line for each benchmark, about two minutes for all of them"
    exec "$build/fewstep_bench" --benchmark_filter="$filter" "$@"
    ;;
esac

#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# What ./run gpu does: tests, compute-sanitizer and benchmarks on the GPU of this machine, and docs/gpu-results.md of it.
set -euo pipefail
# shellcheck source=cmake/build.sh
source "$(dirname "$(readlink -f "$0")")/../../cmake/build.sh"

# fact NAME TEXT: a line of the page's first table.
fact() { printf '%s\t%s\n' "$1" "$2" >> "$facts"; }

# attempt NAME COMMAND...: runs it and notes how it ended.
failed=0
attempt() {
  local ended=passed
  say "$1"
  "${@:2}" || { ended="FAILED (exit status $?)" failed=1; }
  fact "$1" "$ended"
}

# sanitize TOOL TESTS: the tests under a tool of compute-sanitizer.
sanitize() { attempt "$1" compute-sanitizer --tool "$1" --error-exitcode 99 $build/cuda_tests "$2"; }

beside_pytorch() {
  PYTHONDONTWRITEBYTECODE=1 "$python" benchmarks/gpu/peer.py --fewstep $build/fewstep_gpu_peer > $build/gpu-peer.json
}

export CUDA_DEVICE_ORDER=PCI_BUS_ID
smi=$(nvidia-smi --query-gpu=name,driver_version,compute_cap --format=csv,noheader --id=0 2> /dev/null) \
  || skip "there is no GPU here (nvidia-smi finds none); nothing was run"
release=$(nvcc_release) || skip "there is a GPU, but no nvcc 13 or newer to build for it; nothing was run"
IFS=, read -r name driver capability <<< "$smi"
name=${name## } driver=${driver// /} capability=${capability// /}
(install_packages gpu) || say "going on with what is here"

preset=gpu build=build/gpu
say "configuring $build for $name (compute capability $capability)"
quietly cmake --preset $preset -D "CMAKE_CUDA_ARCHITECTURES=${capability/./}"
compile fewstep_gpu_results
compile cuda_tests

facts=$build/gpu-facts.txt
rm -f "$facts" $build/gpu-{benchmarks,peer}.json
fact device "$name, compute capability $capability"
fact driver "$driver"
fact CUDA "nvcc $release"
fact date "$(date -u +%F)"
fact commit "$(git describe --always --dirty 2> /dev/null || echo unknown)"

on_gpu='"*devices - 1",[gpu]' without_network='"*devices - 1"~*text_unet*'
attempt tests $build/cuda_tests "$on_gpu"
if command -v compute-sanitizer > /dev/null; then
  # The whole network under every tool takes long, and its kernels are those of the other tests.
  sanitize memcheck "$on_gpu"
  for tool in racecheck initcheck synccheck; do sanitize $tool "$without_network"; done
else
  fact compute-sanitizer "NOT RUN: it is not installed"
fi

(compile fewstep_gpu_benchmarks) || failed=1
attempt benchmarks $build/fewstep_gpu_benchmarks --benchmark_out=$build/gpu-benchmarks.json --benchmark_out_format=json
python=${PYTHON:-python3}
if "$python" -c "import torch; assert torch.cuda.is_available()" 2> /dev/null; then
  (compile fewstep_gpu_peer) || failed=1
  attempt "beside PyTorch" beside_pytorch
else
  fact "beside PyTorch" "NOT RUN: $python has no PyTorch that finds the GPU"
fi

$build/fewstep_gpu_results "$facts" $build/gpu-{benchmarks,peer}.json > docs/gpu-results.md
say "written: docs/gpu-results.md"
((failed == 0)) || die "something failed on the GPU; see above"

#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# OpenBLAS 0.3.31 (in NumPy 2.4.6; 0.3.21 of Debian 12 likewise), kernels for Haswell and Zen: a product of single-precision
# matrices rounds a row by its place among twelve. Equal rows of X have unequal rows in X W^T, so that a sample's
# log-probability depends on where in the batch it stands. The kernel for AVX-512 gives all rows the same bits.
set -euo pipefail
venv=$(mktemp -d)
trap 'rm -rf "$venv"' EXIT
python3 -m venv "$venv"
"$venv/bin/pip" install --quiet numpy==2.4.6
for kernel in Haswell Zen; do
  OPENBLAS_CORETYPE=$kernel "$venv/bin/python" - << 'PYTHON'
import os

import numpy

random = numpy.random.default_rng(0)
weight = random.standard_normal((64, 64), dtype=numpy.float32)
rows = numpy.repeat(random.standard_normal((1, 64), dtype=numpy.float32), 64, axis=0)
product = rows @ weight.T
unlike = numpy.flatnonzero((product != product[0]).any(axis=1)).tolist()
blas = numpy.show_config("dicts")["Build Dependencies"]["blas"]
print("version: NumPy", numpy.__version__, blas["name"], blas["version"], "kernel", os.environ["OPENBLAS_CORETYPE"])
print("expected: 64 equal rows times a matrix are 64 equal rows")
print("seen: rows unlike the first:", *unlike[:12], "...")
assert unlike[:12] == [6, 7, 8, 9, 10, 11, 18, 19, 20, 21, 22, 23]
PYTHON
done

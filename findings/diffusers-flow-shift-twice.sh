#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# diffusers 0.42.1: FlowMatchEulerDiscreteScheduler(shift=3) shifts its lowest sigma twice. The constructor keeps the shifted
# sigma_min, from which set_timesteps spaces its sigmas, which it shifts again: 0.001 becomes 0.0030 and then 0.0089. So
# set_timesteps(1000) does not give the 1000 sigmas that the constructor made for training.
set -euo pipefail
venv=$(mktemp -d)
trap 'rm -rf "$venv"' EXIT
python3 -m venv "$venv"
"$venv/bin/pip" install --quiet diffusers==0.42.1 numpy==2.4.6 torch==2.15.0
"$venv/bin/python" - << 'PYTHON'
import diffusers

shift = 3.0
scheduler = diffusers.FlowMatchEulerDiscreteScheduler(shift=shift)
training = scheduler.sigmas.tolist()
scheduler.set_timesteps(1000)
sampling = scheduler.sigmas.tolist()[:-1]  # a 0 follows


def shifted(sigma):
    return shift * sigma / (1 + (shift - 1) * sigma)


print("version: diffusers", diffusers.__version__)
print(f"expected: the lowest of 1000 sigmas is {shifted(0.001):.5f}, in training and in sampling")
print(f"seen: {training[-1]:.5f} in training, {sampling[-1]:.5f} in sampling")
assert len(training) == len(sampling) == 1000
assert abs(training[-1] - shifted(0.001)) < 1e-6 and abs(sampling[-1] - shifted(shifted(0.001))) < 1e-6
PYTHON

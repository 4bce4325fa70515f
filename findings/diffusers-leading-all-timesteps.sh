#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# diffusers 0.42.1: with "leading" spacing and as many steps as there are training timesteps, which set_timesteps accepts,
# DDIMScheduler(steps_offset=1) begins at timestep 1000 of 0 .. 999, and DPMSolverMultistepScheduler, which divides by one
# step more, has a spacing of 1000 // 1001 = 0: all of its timesteps are one.
set -euo pipefail
venv=$(mktemp -d)
trap 'rm -rf "$venv"' EXIT
python3 -m venv "$venv"
"$venv/bin/pip" install --quiet diffusers==0.42.1 numpy==2.4.6 torch==2.15.0
"$venv/bin/python" - << 'PYTHON'
import diffusers

stable_diffusion = dict(beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear", timestep_spacing="leading",
                        steps_offset=1)
found = {}
for name in ("DDIMScheduler", "DPMSolverMultistepScheduler"):
    scheduler = getattr(diffusers, name)(**stable_diffusion)
    scheduler.set_timesteps(1000)
    found[name] = scheduler.timesteps.tolist()
print("version: diffusers", diffusers.__version__)
print("expected: 1000 different timesteps from 0 to 999")
for name, timesteps in found.items():
    print(f"seen: {name}: {len(set(timesteps))} different timesteps of {len(timesteps)}, the highest {max(timesteps)}")
assert found["DDIMScheduler"] == list(range(1000, 0, -1))
assert found["DPMSolverMultistepScheduler"] == [1] * 1000
PYTHON

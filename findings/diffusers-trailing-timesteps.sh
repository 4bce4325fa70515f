#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# diffusers 0.42.1: "trailing" spacing gives one timestep too many for 62 of 1000 numbers of steps, and the last is -1.
# numpy.arange(1000, 0, -1000 / 61) has 62 elements, as 61 steps of the rounded quotient end just above 0. Timestep -1 is
# alphas_cumprod[-1], the noisiest level, so DDIM takes the finished sample for noise.
set -euo pipefail
venv=$(mktemp -d)
trap 'rm -rf "$venv"' EXIT
python3 -m venv "$venv"
"$venv/bin/pip" install --quiet diffusers==0.42.1 numpy==2.4.6 torch==2.15.0
"$venv/bin/python" - << 'PYTHON'
import diffusers
import torch

stable_diffusion = dict(beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear", set_alpha_to_one=False,
                        clip_sample=False, timestep_spacing="trailing")
scheduler = diffusers.DDIMScheduler(**stable_diffusion)


def deviation(steps):
    """Of the samples for data of deviation 0.5, whose noise prediction is known: each step scales the state."""
    scheduler.set_timesteps(steps)
    x = torch.ones(1, dtype=torch.float64)
    for t in scheduler.timesteps:
        abar = scheduler.alphas_cumprod[t].double()
        noise = (1 - abar).sqrt() * x / (0.25 * abar + 1 - abar)
        x = scheduler.step(noise, t, x).prev_sample
    return float(x)


lengths = {}
for steps in range(1, 1001):
    scheduler.set_timesteps(steps)
    lengths[steps] = (len(scheduler.timesteps), int(scheduler.timesteps[-1]))
wrong = [steps for steps, (length, _) in lengths.items() if length != steps]
print("version: diffusers", diffusers.__version__, "torch", torch.__version__)
print("expected: 61 steps have 61 timesteps; data of deviation 0.5 is sampled with about 0.5")
print(f"seen: 61 steps have {lengths[61][0]} timesteps, the last {lengths[61][1]}; so for {len(wrong)} of 1000")
print(f"seen: deviation {deviation(60):.3f} with 60 steps, {deviation(61):.3f} with 61")
assert lengths[61] == (62, -1) and len(wrong) == 62
assert all(lengths[steps] == (steps + 1, -1) for steps in wrong)
assert abs(deviation(60) - 0.495) < 1e-3 and abs(deviation(61) - 0.023) < 1e-3
PYTHON

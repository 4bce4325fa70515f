#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# diffusers 0.42.1: DDIMScheduler.step goes from timestep t to t - 1000 // steps, not to the next of its own timesteps.
# With "trailing" or "linspace" spacing, whose gaps are 1000 / steps, the network's next call then expects less noise
# than the state has, and some is left at the end: worst where the quotient is just below a whole number.
set -euo pipefail
venv=$(mktemp -d)
trap 'rm -rf "$venv"' EXIT
python3 -m venv "$venv"
"$venv/bin/pip" install --quiet diffusers==0.42.1 numpy==2.4.6 torch==2.15.0
"$venv/bin/python" - << 'PYTHON'
import diffusers
import torch


def deviation(spacing, steps):
    """Of the samples for data of deviation 0.5, whose noise prediction is known: each step scales the state."""
    scheduler = diffusers.DDIMScheduler(beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear",
                                        set_alpha_to_one=False, clip_sample=False, timestep_spacing=spacing)
    scheduler.set_timesteps(steps)
    x = torch.ones(1, dtype=torch.float64)
    for t in scheduler.timesteps:
        abar = scheduler.alphas_cumprod[t].double()
        noise = (1 - abar).sqrt() * x / (0.25 * abar + 1 - abar)
        x = scheduler.step(noise, t, x).prev_sample
    return float(x)


print("version: diffusers", diffusers.__version__, "torch", torch.__version__)
print("expected: data of deviation 0.5 is sampled with about 0.5")
for spacing, expected in (("trailing", (0.499, 0.706, 0.616)), ("linspace", (0.499, 0.707, 0.616))):
    found = [deviation(spacing, steps) for steps in (500, 501, 700)]
    print(f"seen: {spacing}: deviation {found[0]:.3f} with 500 steps, {found[1]:.3f} with 501, {found[2]:.3f} with 700")
    assert all(abs(f - e) < 1e-3 for f, e in zip(found, expected))
PYTHON

# SPDX-License-Identifier: Apache-2.0
"""Timesteps of diffusers' schedulers, for every number of steps: DDIMScheduler with the spacings "trailing" and "leading",
LCMScheduler for every number of steps that a model was distilled at. Takes two minutes."""

import argparse
import pathlib

import diffusers
import numpy

TRAINING_STEPS = 1000
FACTOR = 1099511628211
POWERS = numpy.array([pow(FACTOR, i, 2**64) for i in range(TRAINING_STEPS + 1)], dtype=numpy.uint64)


def digest(timesteps) -> int:
    """h = h * FACTOR + t modulo 2^64 over the timesteps t, from h = 0."""
    values = numpy.asarray(timesteps, dtype=numpy.uint64)
    return int((values * POWERS[: len(values)][::-1]).sum(dtype=numpy.uint64))


def chained(digests) -> int:
    total = 0
    for value in digests:
        total = (total * FACTOR + value) % 2**64
    return total


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    default = pathlib.Path(__file__).parent.parent / "data" / "timesteps.txt"
    parser.add_argument("--output", type=pathlib.Path, default=default)
    lines = []

    def steps_of(scheduler, *arguments):
        scheduler.set_timesteps(*arguments)
        return scheduler.timesteps.numpy()

    trailing = diffusers.DDIMScheduler(timestep_spacing="trailing")
    for calls in range(1, TRAINING_STEPS + 1):
        timesteps = steps_of(trailing, calls)
        lines.append(f"trailing {calls} {len(timesteps)} {digest(timesteps[:calls])}")
    for offset, most in ((0, 1000), (1, 999)):  # with 1000 steps and an offset of 1 the first would be 1000
        leading = diffusers.DDIMScheduler(timestep_spacing="leading", steps_offset=offset)
        all_calls = [digest(steps_of(leading, calls)) for calls in range(1, most + 1)]
        lines.append(f"leading {offset} {most} {chained(all_calls)}")
    lcm = diffusers.LCMScheduler()
    for origin in range(1, TRAINING_STEPS + 1):
        all_calls = [digest(steps_of(lcm, calls, None, origin)) for calls in range(1, origin + 1)]
        lines.append(f"lcm {origin} {origin} {chained(all_calls)}")
    parser.parse_args().output.write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()

# SPDX-License-Identifier: Apache-2.0
"""Step tables of stochastic samplers of flows, from the published equations in double precision.

Flow-GRPO (arXiv:2505.05470), DanceGRPO (arXiv:2505.07818), coefficients-preserving sampling (arXiv:2509.05952). Each
step is evaluated as it is published, on numbers, and its coefficients are read off: a is the mean for state 1 and
network output 0, b the mean for state 0 and output 1. Needs Python only.
"""

import argparse
import math
import pathlib
import struct


def single(value: float) -> float:
    """Rounded to float32, as a time or a setting is in the library."""
    return struct.unpack("f", struct.pack("f", value))[0]


class Flow:
    """x = (1 - t) x0 + t eps; the network predicts eps - x0. Its time is t."""

    landing = 0.0

    def flow_time(self, time: float) -> float:
        return time

    def is_noisiest(self, time: float) -> bool:
        return time == 1.0

    def velocity(self, x: float, output: float, time: float) -> float:
        return output


class RescaledEdm:
    """The same flow for a denoiser of Karras et al. 2022 (sigma_data 0.5), asked for (1 + sigma) x at sigma."""

    landing, noisiest = single(0.01), single(40.0)

    def flow_time(self, time: float) -> float:
        return time / (1.0 + time)

    def is_noisiest(self, time: float) -> bool:
        return time == self.noisiest

    def velocity(self, x: float, output: float, time: float) -> float:
        state = (1.0 + time) * x
        total = time**2 + 0.5**2
        denoised = 0.5**2 / total * state + time * 0.5 / math.sqrt(total) * output
        return (x - denoised) / self.flow_time(time)


def flow_sde(x, v, t, following, second, level):
    s = math.sqrt(t / (1 - (t if second is None else second))) * level
    dt = following - t
    mean = x * (1 + s**2 / (2 * t) * dt) + v * (1 + s**2 * (1 - t) / (2 * t)) * dt
    return mean, s * math.sqrt(-dt)


def dance_sde(x, v, t, following, second, eta):
    dt = following - t
    clean = x - t * v
    score = -(x - clean * (1 - t)) / t**2
    return x + dt * v + -0.5 * eta**2 * score * dt, eta * math.sqrt(-dt)


def cps(x, v, t, following, second, level):
    s = following * math.sin(level * math.pi / 2)
    clean, noise = x - t * v, x + (1 - t) * v
    return clean * (1 - following) + noise * math.sqrt(following**2 - s**2), s


def shifted(count: int, shift: float) -> list[float]:
    """Times from 1 to 0, the last left out, shifted towards the noise as those of Stable Diffusion 3."""
    return [shift * t / (1 + (shift - 1) * t) for t in (1 - i / count for i in range(count))]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    default = pathlib.Path(__file__).parent.parent / "data" / "samplers.txt"
    parser.add_argument("--output", type=pathlib.Path, default=default)
    lines = []
    edm_times = [40.0, 8.0, 2.5, 1.0, 0.4, 0.1]
    cases = [("flow", Flow(), shifted(4, 1.0)), ("flow", Flow(), shifted(10, 3.0)), ("edm", RescaledEdm(), edm_times)]
    for process_name, process, asked in cases:
        times = [single(time) for time in asked]
        for name, step, level in (("flow_sde", flow_sde, 0.7), ("dance_sde", dance_sde, 0.3), ("cps", cps, 0.8)):
            lines.append(f"{name} {process_name} {level} {len(times)}")
            for time, following in zip(times, times[1:] + [process.landing]):
                t, next_t = process.flow_time(time), process.flow_time(following)
                second = process.flow_time(times[1]) if process.is_noisiest(time) else None
                mean = {}
                for x, output in ((1.0, 0.0), (0.0, 1.0)):
                    v = process.velocity(x, output, time)
                    mean[x], sigma = step(x, v, t, next_t, second, single(level))
                lines.append(f"{time!r} {mean[1.0]!r} {mean[0.0]!r} {sigma!r}")
    parser.parse_args().output.write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()

# SPDX-License-Identifier: Apache-2.0
"""Times of things that run in turns, and ratios of them with an interval."""

import random
import statistics
import time
from typing import Callable

PAUSE = 0.05  # seconds before a turn, in which the threads of the other side stop spinning and fall asleep
TURN = 0.3  # seconds of a turn, at least one run


def times_of(run: Callable, count: int) -> list:
    """Seconds of each of `count` runs."""
    seconds = []
    for _ in range(count):
        begin = time.perf_counter()
        run()
        seconds.append(time.perf_counter() - begin)
    return seconds


def runs_in_a_turn(seconds: float) -> int:
    return max(1, min(1000, int(TURN / seconds)))


def turn(runs: Callable, count: int) -> float:
    """Median of `count` runs after the pause; runs(n) gives the seconds of n runs. Where a turn is many runs, the first
    finds caches and threads cold and is left out."""
    time.sleep(PAUSE)
    if count > 1:
        runs(1)
    return statistics.median(runs(count))


def quick_time(run: Callable) -> float:
    """A first idea of how long a run takes, of something that has run before."""
    first = min(times_of(run, 2))
    return min(first, statistics.median(times_of(run, runs_in_a_turn(first))))


def in_turns(sides: dict, counts: dict, pairs: int) -> dict:
    """`pairs` turns of each side, one after the other: A B A B ..."""
    times = {name: [] for name in sides}
    for _ in range(pairs):
        for name, runs in sides.items():
            times[name].append(turn(runs, counts[name]))
    return times


def ratio_interval(numerator: list, denominator: list, resamples: int = 5000) -> tuple:
    """median / median of measurements made in pairs, and its 95 % interval: percentile bootstrap over pairs."""
    source = random.Random(0)
    pairs = list(zip(numerator, denominator))
    ratios = sorted(ratio_of(source.choices(pairs, k=len(pairs))) for _ in range(resamples))
    cut = int(0.025 * resamples)
    return ratio_of(pairs), ratios[cut], ratios[-1 - cut]


def ratio_of(pairs: list) -> float:
    return statistics.median(pair[0] for pair in pairs) / statistics.median(pair[1] for pair in pairs)

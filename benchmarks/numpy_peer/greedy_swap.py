# SPDX-License-Identifier: Apache-2.0
"""DRAGON's greedy swap by the Fréchet distance: fewstep beside a recomputation with NumPy and SciPy, in turns.

Of N pairs of features each side shares out the same ones; labels and rewards must agree. SciPy is tried in two ways: by
sqrtm of the product of the covariances, as the public codes of Fréchet distances do, and by the eigenvalues of the
symmetric product, which is the fastest that was found. Medians over the turns, and their ratio to fewstep's.
"""

import argparse
import statistics
import subprocess
import tempfile
import time
from pathlib import Path

import numpy as np
import scipy
import scipy.linalg


def statistics_of(rows):
    return rows.mean(0), np.cov(rows, rowvar=False)


class by_sqrtm:
    def __init__(self, exemplars):
        self.mean, self.covariance = statistics_of(exemplars)

    def reward(self, rows):
        mean, covariance = statistics_of(rows)
        root = scipy.linalg.sqrtm(covariance @ self.covariance).real
        off = mean - self.mean
        return -(off @ off + np.trace(covariance) + np.trace(self.covariance) - 2 * np.trace(root))


class by_eigenvalues(by_sqrtm):
    def __init__(self, exemplars):
        super().__init__(exemplars)
        self.root = scipy.linalg.sqrtm(self.covariance).real

    def reward(self, rows):
        mean, covariance = statistics_of(rows)
        values = np.linalg.eigvalsh(self.root @ covariance @ self.root)
        off = mean - self.mean
        return -(off @ off + np.trace(covariance) + np.trace(self.covariance) - 2 * np.sqrt(values.clip(0)).sum())


def greedy_swap(rate, first, second):
    """One pass: the reward of the demonstrations and the labels."""
    rewards = rate.reward(first), rate.reward(second)
    begin = 1 if rewards[0] >= rewards[1] else -1
    positive = (first if begin > 0 else second).copy()
    negative = second if begin > 0 else first
    best, labels = max(rewards), np.full(len(first), begin)
    for i in range(len(first)):
        kept = positive[i].copy()
        positive[i] = negative[i]
        reward = rate.reward(positive)
        if reward > best:
            best, labels[i] = reward, -begin
        else:
            positive[i] = kept
    return best, labels


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--fewstep", type=Path, required=True, help="the program fewstep_greedy_swap")
    parser.add_argument("--pairs", type=int, default=512)
    parser.add_argument("--features", type=int, default=64)
    parser.add_argument("--turns", type=int, default=11)
    o = parser.parse_args()
    random = np.random.default_rng(1)
    scale = np.linspace(0.3, 2, o.features)
    first, second, exemplars = (
        (shift + scale * random.normal(size=(rows, o.features))).astype(np.float32)
        for rows, shift in ((o.pairs, 0.1), (o.pairs, 0.0), (2 * o.pairs, 0.2)))
    with tempfile.TemporaryDirectory() as folder:
        for name, values in (("first", first), ("second", second), ("exemplars", exemplars)):
            values.tofile(Path(folder) / f"{name}.bin")
        program = subprocess.Popen([o.fewstep, folder, str(o.pairs), str(o.features)], stdin=subprocess.PIPE,
                                   stdout=subprocess.PIPE, text=True)
        wide = [values.astype(np.float64) for values in (first, second, exemplars)]
        peers = {"SciPy, sqrtm": by_sqrtm(wide[2]), "NumPy, eigvalsh": by_eigenvalues(wide[2])}
        times = {"fewstep": [], **{name: [] for name in peers}}
        for _ in range(o.turns):
            program.stdin.write("\n")
            program.stdin.flush()
            seconds, reward, exchanged, *labels = program.stdout.readline().split()
            times["fewstep"].append(float(seconds))
            for name, peer in peers.items():
                begin = time.perf_counter()
                best, theirs = greedy_swap(peer, wide[0], wide[1])
                times[name].append(time.perf_counter() - begin)
                if abs(best - float(reward)) > 1e-8 * abs(best) or list(theirs) != [int(label) for label in labels]:
                    raise SystemExit(f"greedy_swap: {name} comes to {best}, fewstep to {reward}, or labels differ")
        program.stdin.close()
        program.wait()
    ours = statistics.median(times["fewstep"])
    print(f"NumPy {np.__version__}, SciPy {scipy.__version__}; {o.pairs} pairs of {o.features} features, "
          f"{exchanged} exchanged, {o.turns} turns")
    for name, seconds in times.items():
        middle = statistics.median(seconds)
        print(f"{name:16} {1e3 * middle:8.2f} ms  {1e6 * middle / o.pairs:7.1f} us a pair  x {middle / ours:.1f}")


if __name__ == "__main__":
    main()

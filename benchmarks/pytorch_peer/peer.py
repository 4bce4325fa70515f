# SPDX-License-Identifier: Apache-2.0
"""fewstep beside PyTorch on the CPU: the same network, weights, inputs and mathematics, run in turns.

Every way that PyTorch is tried in must first give what fewstep gives. Those that are not clearly slower than others are
then measured in turns with fewstep; the table has the fastest, and the fastest of eager mode. A ratio above 1 says that
fewstep is faster.
"""

import argparse
import datetime
import json
import os
import platform
import re
import statistics
import sys
import tempfile
import time
import warnings
from pathlib import Path
from typing import Callable

from fewstep_side import fewstep_side
from measure import in_turns, quick_time, ratio_interval, runs_in_a_turn, times_of

COLUMNS = (38, 9, 50, 22, 50, 22, 5)


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--fewstep", type=Path, required=True, help="the program fewstep_peer (./run bench gives it)")
    parser.add_argument("--pairs", type=int, default=10, help="turns of each side (default: %(default)s)")
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)),
                        help="of each side (default: all %(default)s)")
    parser.add_argument("--only", default="", help="workloads whose name or title matches a regular expression")
    parser.add_argument("--no-compile", action="store_true", help="leave torch.compile out, which takes minutes")
    parser.add_argument("--check", action="store_true", help="only see whether the sides agree")
    parser.add_argument("--json", type=Path, help="also write all times to this file")
    return parser.parse_args()


def processor_name() -> str:
    names = re.findall(r"^model name\s*: (.*)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    return names[0] if names else platform.machine()


def description(torch, metadata: dict, threads: int) -> dict:
    """What a reader must know of how figures came about."""
    built = torch.__config__.show()
    libraries = re.findall(r"BLAS_INFO=\w+|MKL-DNN v[\d.]+", built)
    return {"date": datetime.datetime.now().isoformat(timespec="minutes"),
            "machine": f"{processor_name()}, {len(os.sched_getaffinity(0))} cores, {threads} threads on each side",
            "load average": f"{os.getloadavg()[0]:.2f}",
            "fewstep": f"{metadata['compiler']}, {metadata['flags']}",
            "PyTorch": ", ".join([torch.__version__, f"Python {platform.python_version()}", *libraries,
                                  f"kernels for {cpu_capability(torch)}"])}


def cpu_capability(torch) -> str:
    return re.findall(r"CPU capability usage: (\w+)", torch.__config__.show())[0]


class waiting:
    """How much of a core the side took whose turn it was not."""

    def __init__(self, fewstep: fewstep_side):
        self.fewstep, self.most = fewstep, 0.0

    def watched(self, runs: Callable, other: Callable) -> Callable:
        """runs, while other() is the processor time of the side that waits."""
        def timed(count: int) -> list:
            begin, used = time.perf_counter(), other()
            seconds = runs(count)
            passed = time.perf_counter() - begin
            if passed > 0.2:  # the clock of processes ticks every 10 ms
                self.most = max(self.most, (other() - used) / passed)
            return seconds
        return timed

    def of_fewstep(self, name: str) -> Callable:
        return self.watched(lambda count: self.fewstep.run(name, count), time.process_time)

    def of_pytorch(self, run: Callable) -> Callable:
        return self.watched(lambda count: times_of(run, count), self.fewstep.processor_seconds)


def agreed(made, way: str, differences: dict) -> None:
    """Ends the program where a result is not fewstep's."""
    for found in made.differences():
        if not found.value <= found.tolerance:
            raise SystemExit(f"peer: {way}: {found.what} differ from fewstep's by {found.value:.1e}, more than "
                             f"{found.tolerance:.0e}: there is nothing to compare")
        differences[found.what] = max(differences.get(found.what, 0.0), found.value)


def candidates(work, given, differences: dict, failures: dict, arguments: argparse.Namespace) -> dict:
    """The ways that work and agree: what to run, and a first idea of its time."""
    found = {}
    for way, make in work.ways.items():
        if way.startswith("compile") and arguments.no_compile:
            continue
        print(f"peer: {work.title}: {way}", file=sys.stderr)
        try:
            made = make(given)
            agreed(made, f"{work.title}: {way}", differences)
            if not arguments.check:
                found[way] = made.run, quick_time(made.run)
        except Exception as failure:  # a way that PyTorch does not have is named, and the others measured
            reason = f"{type(failure).__name__}: {failure}".splitlines()[0][:150]
            failures.setdefault(f"{way}: {reason}", []).append(work.name)
    return found


def eager_ways(by_way: dict) -> dict:
    return {way: of for way, of in by_way.items() if not way.startswith("compile")}


def contenders(found: dict) -> dict:
    """The ways that may turn out to be the fastest, of all or of eager mode: not half as slow again at first sight."""
    def near_the_fastest(ways: dict) -> dict:
        least = min((seconds for _, seconds in ways.values()), default=0.0)
        return {way: of for way, of in ways.items() if of[1] <= 1.5 * least}

    return near_the_fastest(found) | near_the_fastest(eager_ways(found))


def measured(work, found: dict, fewstep: fewstep_side, watch: waiting, pairs: int) -> dict:
    """Times of fewstep and of PyTorch's contenders, in turns, and which of these were the fastest."""
    sides = {"fewstep": watch.of_fewstep(work.name)}
    counts = {"fewstep": runs_in_a_turn(min(fewstep.run(work.name, 3)))}
    for way, (run, seconds) in contenders(found).items():
        sides[way], counts[way] = watch.of_pytorch(run), runs_in_a_turn(seconds)
    copy, times = fewstep.copy(work.name), in_turns(sides, counts, pairs)
    medians = {way: statistics.median(seconds) for way, seconds in times.items() if way != "fewstep"}
    eager = eager_ways(medians)
    return {"name": work.name, "title": work.title, "copy": copy, "best": min(medians, key=medians.get),
            "eager": min(eager, key=eager.get), "first_times": {way: of[1] for way, of in found.items()},
            "times": times}


def duration(seconds: float) -> str:
    for unit, scale in (("ns", 1e9), ("us", 1e6), ("ms", 1e3)):
        if seconds * scale < 999.5:
            return f"{seconds * scale:.3g} {unit}"
    return f"{seconds:.3g} s"


def cells(row: dict) -> list:
    def side(way: str) -> list:
        ratio, low, high = ratio_interval(row["times"][way], row["times"]["fewstep"])
        return [f"{duration(statistics.median(row['times'][way]))} ({way})", f"{ratio:.2f} ({low:.2f} to {high:.2f})"]

    fewstep = statistics.median(row["times"]["fewstep"])
    share = f"{row['copy'] / fewstep:.2f}" if row["copy"] else ""
    eager = side(row["eager"]) if row["eager"] != row["best"] else ["the same", ""]
    return [row["title"], duration(fewstep), *side(row["best"]), *eager, share]


def print_row(texts: list) -> None:
    print("| " + " | ".join(text.ljust(width) for text, width in zip(texts, COLUMNS)) + " |", flush=True)


def print_about(about: dict) -> None:
    for key, value in about.items():
        print(f"{key + ':':14}{value}")


def print_head() -> None:
    print("\nMedians; ratio is PyTorch / fewstep with a 95 % interval: above 1, fewstep is faster. Share: of the speed of "
          "a\ncopy that touches as many bytes.\n")
    print_row(["workload", "fewstep", "PyTorch, fastest way", "ratio", "PyTorch, eager", "ratio", "share"])
    print_row(["-" * width for width in COLUMNS])


def print_end(differences: dict, failures: dict) -> None:
    print("\nLargest relative differences between the sides: "
          + ", ".join(f"{what} {value:.0e}" for what, value in differences.items()) + ".")
    for reason, names in failures.items():
        print(f"Not measured ({', '.join(names)}): {reason}")


def compare(arguments: argparse.Namespace, folder: Path) -> None:
    fewstep = fewstep_side(arguments.fewstep, folder, arguments.threads)
    import torch  # after the number of threads is set
    from preference_workloads import PREFERENCE_WORKLOADS
    from workloads import WORKLOADS, exchange, forget_compiled
    torch.set_num_threads(arguments.threads)
    given, watch = exchange(folder), waiting(fewstep)
    about, differences, failures, rows = description(torch, given.metadata, arguments.threads), {}, {}, []
    print_about(about)
    if not arguments.check:
        print_head()
    for work in WORKLOADS + PREFERENCE_WORKLOADS:
        if not re.search(arguments.only, f"{work.name} {work.title}"):
            continue
        torch.manual_seed(0)
        if not arguments.no_compile:
            forget_compiled()
        found = candidates(work, given, differences, failures, arguments)
        if found:
            rows.append(measured(work, found, fewstep, watch, arguments.pairs))
            print_row(cells(rows[-1]))
    fewstep.close()
    print_end(differences, failures)
    if not arguments.check:
        print(f"The side that waited took at most {100 * watch.most:.0f} % of a core.")
    if arguments.json:
        arguments.json.write_text(json.dumps({**about, "pairs": arguments.pairs, "differences": differences,
                                              "failures": failures, "rows": rows}, indent=2) + "\n")


def main() -> None:
    arguments = parse()
    warnings.filterwarnings("ignore", category=FutureWarning)  # TorchScript is on its way out
    os.environ["OMP_NUM_THREADS"] = str(arguments.threads)
    with tempfile.TemporaryDirectory(prefix="fewstep_peer_") as folder:
        compare(arguments, Path(folder))


if __name__ == "__main__":
    main()

# SPDX-License-Identifier: Apache-2.0
"""fewstep beside PyTorch on a GPU: the same network, weights, inputs and mathematics, run in turns.

For each arithmetic (float32, TF32, bfloat16) fewstep's half, the program fewstep_gpu_peer, is started with it. PyTorch
is tried eager and by torch.compile, also with CUDA graphs ("reduce-overhead") and "max-autotune"; contiguous and
channels-last; Adam and AdamW fused. bfloat16 is autocast there. Every way must first give what fewstep gives (states,
outputs, gradients), as far as the arithmetic lets it. Those that are not clearly slower than others are then measured
in turns with fewstep, by CUDA's events around many runs.

Prints JSON, one object a line: first what a reader must know of how the figures came about ("about"); then for each
workload and arithmetic ("comparison") the medians in seconds of fewstep, of PyTorch's fastest way and of its fastest
eager one, the ratios PyTorch / fewstep with a 95 % interval (above 1, fewstep is faster), and the times that they are
made of; at the end what differed by how much, and what could not be measured ("end").

--device cpu computes both halves on the CPU, to try this program where there is no GPU; its times mean nothing.
"""

import argparse
import contextlib
import datetime
import json
import platform
import re
import statistics
import sys
import tempfile
import time
import warnings
from pathlib import Path
from typing import Callable, NamedTuple

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "pytorch_peer"))
from fewstep_side import fewstep_side  # noqa: E402
from measure import TURN, in_turns, ratio_interval, runs_in_a_turn  # noqa: E402

try:
    import torch
    import workloads
    from workloads import LAYOUTS, workload
except ImportError as missing:
    raise SystemExit(f"peer: this needs PyTorch, and {sys.executable} cannot import it ({missing}); install it (pip "
                     "install torch), or name another python3: PYTHON=/path/to/python3 ./run gpu") from None


class arithmetic(NamedTuple):
    """How products are computed. Rounded factors make results differ by up to `floor` of the largest value."""

    name: str
    tf32: bool
    bf16: bool
    floor: float

    def run(self, function: Callable) -> Callable:
        """function, in this arithmetic."""
        def called(*arguments):
            with torch.autocast("cuda", torch.bfloat16) if self.bf16 else contextlib.nullcontext():
                return function(*arguments)
        return called

    def begin(self) -> None:
        torch.set_float32_matmul_precision("high" if self.tf32 else "highest")
        torch.backends.cudnn.allow_tf32 = self.tf32


ARITHMETICS = {a.name: a for a in (arithmetic("float32", False, False, 1e-4), arithmetic("tf32", True, False, 5e-2),
                                   arithmetic("bf16", True, True, 0.4))}
ARITHMETIC_OF_CPU = arithmetic("cpu", False, False, 0.0)
MODES = {"reduce-overhead": "compile, reduce-overhead", "default": "compile", "max-autotune": "compile, max-autotune"}
# One step of Adam turns rounding of the smallest gradients into steps the other way.
COMPARED_IN_FLOAT32 = {"parameters moved by an update"}


def compiled(function: Callable, mode) -> Callable:
    """As that of workloads.py, with a mode of torch.compile in place of True."""
    return torch.compile(function, dynamic=False, mode=mode) if mode else function


class device_exchange(workloads.exchange):
    """The files that fewstep_gpu_peer wrote, on the device."""

    def __init__(self, folder: Path, device: torch.device):
        super().__init__(folder)
        self.device = device
        self.arrays = {name: value.to(device) for name, value in self.arrays.items()}

    def network(self, layout: str) -> torch.nn.Module:
        return super().network(layout).to(self.device)

    def parameters(self, name: str) -> dict:
        return {key: value.to(self.device) for key, value in super().parameters(name).items()}


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--fewstep", type=Path, required=True, help="the program fewstep_gpu_peer")
    parser.add_argument("--pairs", type=int, default=10, help="turns of each side (default: %(default)s)")
    parser.add_argument("--arithmetic", nargs="+", choices=ARITHMETICS, default=list(ARITHMETICS))
    parser.add_argument("--only", default="", help="workloads whose name or title matches a regular expression")
    parser.add_argument("--no-compile", action="store_true", help="leave torch.compile out, which takes minutes")
    parser.add_argument("--modes", nargs="+", choices=MODES, default=list(MODES), help="of torch.compile (default: all)")
    parser.add_argument("--minutes", type=float, default=float("inf"),
                        help="after so many nothing more is compiled, and what is left is named")
    parser.add_argument("--check", action="store_true", help="only see whether the sides agree")
    parser.add_argument("--device", choices=("cuda", "cpu"), default="cuda")
    parser.add_argument("--output", type=Path, help="also write the lines to this file")
    return parser.parse_args()


def require_gpu() -> None:
    if not torch.cuda.is_available():
        built = f"was built for CUDA {torch.version.cuda}" if torch.version.cuda else "was built without CUDA"
        raise SystemExit(f"peer: PyTorch {torch.__version__} finds no GPU (it {built}); run this where nvidia-smi lists "
                         "one, or try it with --device cpu")


# What is tried.

def network_ways(modes: dict, make: Callable) -> dict:
    """make(given, layout, mode). The compiler turns what it compiles into channels-last itself where that is faster."""
    eager = {f"eager, {layout}": (lambda given, l=layout: make(given, l, None)) for layout in LAYOUTS}
    return eager | {way: (lambda given, m=mode: make(given, "channels_last", m)) for way, mode in modes.items()}


def rollout_ways(modes: dict, horizon: int) -> dict:
    return network_ways(modes, lambda given, layout, mode: workloads.rollout(given, horizon, layout, mode))


def update_ways(modes: dict) -> dict:
    return network_ways(modes, lambda given, layout, mode: workloads.update(given, layout, mode, True))


def score_ways(modes: dict, rows: int) -> dict:
    score = workloads.score
    ways = {"eager": lambda given: score(given, rows, "plain", None),
            "eager, addcmul": lambda given: score(given, rows, "addcmul", None)}
    for way, mode in modes.items():
        ways[way] = lambda given, m=mode: score(given, rows, "plain", m)
        ways[f"{way}, torch.func.grad"] = lambda given, m=mode: score(given, rows, "grad", m)
    return ways


def optimizer_ways(modes: dict, size: int) -> dict:
    step = workloads.optimizer_step
    ways = {f"eager, {way}": (lambda given, w=way: step(given, "AdamW", size, w, None)) for way in ("foreach", "fused")}
    return ways | {way: (lambda given, m=mode: step(given, "AdamW", size, "foreach", m)) for way, mode in modes.items()}


def workloads_of(modes: dict, on_gpu: bool) -> list:
    sizes = {"network": ("the U-Net's parameters", 0), "1M": ("1 M parameters", 1_000_000),
             "10M": ("10 M parameters", 10_000_000)}
    if on_gpu:
        sizes["100M"] = ("100 M parameters", 100_000_000)
    return [workload("update", "RLCM update, horizon 4, 64 samples", update_ways(modes)),
            workload("rollout_4", "rollout, horizon 4, 64 samples", rollout_ways(modes, 4)),
            workload("rollout_8", "rollout, horizon 8, 64 samples", rollout_ways(modes, 8)),
            workload("forward", "U-Net forward, batch 64", network_ways(modes, workloads.forward)),
            workload("forward_backward", "U-Net forward and backward, batch 64",
                     network_ways(modes, workloads.forward_backward)),
            workload("score_64", "score kernel, [64, 3072]", score_ways(modes, 64)),
            workload("score_4096", "score kernel, [4096, 3072]", score_ways(modes, 4096)),
            *(workload(f"adamw_{name}", f"AdamW, {title}", optimizer_ways(modes, size))
              for name, (title, size) in sizes.items())]


def is_network(name: str) -> bool:
    """Whether arithmetic makes a difference."""
    return not name.startswith(("score", "adamw"))


# How it is timed.

class clock:
    """Seconds of runs in a row; with CUDA by its events."""

    def __init__(self, on_gpu: bool):
        self.on_gpu = on_gpu

    def seconds(self, run: Callable, count: int) -> list:
        """Of one of `count` runs."""
        if not self.on_gpu:
            begin = time.perf_counter()
            for _ in range(count):
                run()
            return [(time.perf_counter() - begin) / count]
        begin, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        torch.cuda.synchronize()
        begin.record()
        for _ in range(count):
            run()
        end.record()
        end.synchronize()
        return [1e-3 * begin.elapsed_time(end) / count]

    def quick(self, runs: Callable) -> float:
        """A first idea of how long a run takes, of something that has run before. CUDA graphs are recorded in the
        first runs."""
        for _ in range(3):
            runs(1)
        return statistics.median(runs(max(1, min(20, int(TURN / runs(1)[0])))))


def mark_step() -> None:
    """From here on CUDA graphs of torch.compile may use the memory of earlier results again."""
    torch.compiler.cudagraph_mark_step_begin()


def one_run(made, way: str, of: arithmetic) -> Callable:
    run = of.run(made.run)
    if not way.startswith("compile"):
        return run

    def marked():
        mark_step()
        run()
    return marked


class findings:
    """What differed by how much, and what was not measured."""

    def __init__(self):
        self.differences, self.failures, self.disagree = {}, {}, False

    def fail(self, what: str, of: arithmetic, work) -> None:
        self.failures.setdefault(what, []).append(f"{work.name} ({of.name})")

    def agrees(self, made, way: str, of: arithmetic, work) -> bool:
        for found in of.run(lambda: list(made.differences()))():
            if of.name not in ("float32", "cpu") and found.what in COMPARED_IN_FLOAT32:
                continue
            tolerance = max(4 * found.tolerance, of.floor)  # they are those of two programs on one processor
            worst = self.differences.setdefault(of.name, {})
            worst[found.what] = max(worst.get(found.what, 0.0), found.value)
            if not found.value <= tolerance:
                self.disagree = True
                self.fail(f"{way}: {found.what} differ from fewstep's by {found.value:.1e}, more than {tolerance:.0e}",
                          of, work)
                return False
        return True


def candidates(work, given, of: arithmetic, timer: clock, found: findings, check: bool, deadline: float) -> dict:
    """The ways that work and agree: seconds of so many runs, and a first idea of the time of one."""
    usable = {}
    for way, make in work.ways.items():
        if way.startswith("compile") and time.monotonic() > deadline:
            found.fail(f"{way}: not tried, the minutes were over", of, work)
            continue
        print(f"peer: {of.name}: {work.title}: {way}", file=sys.stderr)
        try:
            mark_step()
            made = make(given)
            if not found.agrees(made, way, of, work) or check:
                continue
            run = one_run(made, way, of)
            runs = lambda count, r=run: timer.seconds(r, count)  # noqa: E731
            usable[way] = runs, timer.quick(runs)
        except Exception as failure:  # a way that PyTorch does not have is named, and the others measured
            found.fail(f"{way}: {type(failure).__name__}: {failure}".splitlines()[0][:200], of, work)
    return usable


def eager_ways(by_way: dict) -> dict:
    return {way: value for way, value in by_way.items() if way.startswith("eager")}


def contenders(usable: dict) -> dict:
    """The ways that may turn out to be the fastest, of all or of eager mode: not half as slow again at first sight."""
    def near_the_fastest(ways: dict) -> dict:
        least = min((seconds for _, seconds in ways.values()), default=0.0)
        return {way: value for way, value in ways.items() if value[1] <= 1.5 * least}

    return near_the_fastest(usable) | near_the_fastest(eager_ways(usable))


def measured(work, usable: dict, fewstep: fewstep_side, of: arithmetic, timer: clock, pairs: int) -> dict:
    """A line: fewstep and PyTorch's contenders in turns."""
    sides = {"fewstep": lambda count: fewstep.run(work.name, count)}
    counts = {"fewstep": runs_in_a_turn(timer.quick(sides["fewstep"]))}
    for way, (runs, seconds) in contenders(usable).items():
        sides[way], counts[way] = runs, runs_in_a_turn(seconds)
    times = in_turns(sides, counts, pairs)
    medians = {way: statistics.median(seconds) for way, seconds in times.items()}
    pytorch = {way: seconds for way, seconds in medians.items() if way != "fewstep"}
    line = {"kind": "comparison", "name": work.name, "title": work.title, "arithmetic": of.name,
            "fewstep_seconds": medians["fewstep"], "copy_seconds": fewstep.copy(work.name)}
    for side, ways in (("fastest", pytorch), ("eager", eager_ways(pytorch))):
        if ways:
            way = min(ways, key=ways.get)
            ratio, low, high = ratio_interval(times[way], times["fewstep"])
            line[side] = {"way": way, "seconds": ways[way], "ratio": ratio, "low": low, "high": high}
    return line | {"first_times": {way: seconds for way, (_, seconds) in usable.items()}, "times": times}


def description(arguments: argparse.Namespace, metadata: dict) -> dict:
    about = {"kind": "about", "date": datetime.datetime.now().isoformat(timespec="minutes"),
             "pytorch": torch.__version__, "python": platform.python_version(), "fewstep": metadata["compiler"],
             "pairs": arguments.pairs}
    if arguments.device == "cpu":
        return about | {"gpu": None}
    properties = torch.cuda.get_device_properties(0)
    return about | {"gpu": properties.name, "multiprocessors": properties.multi_processor_count,
                    "memory_bytes": properties.total_memory, "cuda": torch.version.cuda,
                    "cudnn": torch.backends.cudnn.version(), "cudnn_benchmark": torch.backends.cudnn.benchmark}


class printer:
    def __init__(self, path):
        self.file = path.open("w") if path else None

    def __call__(self, line: dict) -> None:
        text = json.dumps(line)
        print(text, flush=True)
        if self.file:
            print(text, file=self.file, flush=True)


def compare(arguments: argparse.Namespace, of: arithmetic, found: findings, line: printer, is_first: bool,
            deadline: float) -> None:
    """All workloads in one arithmetic; those that do not depend on it in the first."""
    on_gpu = arguments.device == "cuda"
    timer, modes = clock(on_gpu), {} if arguments.no_compile else {MODES[mode]: mode for mode in arguments.modes}
    of.begin()
    with tempfile.TemporaryDirectory(prefix="fewstep_peer_") as folder:
        fewstep = fewstep_side(arguments.fewstep.resolve(), Path(folder), of.name)
        given = device_exchange(Path(folder), torch.device(arguments.device))
        if is_first:
            line(description(arguments, given.metadata))
        for work in workloads_of(modes, on_gpu):
            if not re.search(arguments.only, f"{work.name} {work.title}") or not (is_first or is_network(work.name)):
                continue
            torch.manual_seed(0)
            workloads.forget_compiled()
            usable = candidates(work, given, of, timer, found, arguments.check, deadline)
            if usable:
                line(measured(work, usable, fewstep, of, timer, arguments.pairs))
            usable.clear()
            if on_gpu:
                torch.cuda.empty_cache()
        fewstep.close()


def main() -> None:
    arguments = parse()
    if not arguments.fewstep.is_file():
        raise SystemExit(f"peer: there is no program {arguments.fewstep}; ./run gpu builds fewstep_gpu_peer")
    if arguments.device == "cuda":
        require_gpu()
        torch.set_default_device("cuda")
        torch.backends.cudnn.benchmark = True
        chosen = [ARITHMETICS[name] for name in arguments.arithmetic]
    else:
        chosen = [ARITHMETIC_OF_CPU]
    warnings.filterwarnings("ignore", category=FutureWarning)
    workloads.compiled = compiled  # the workloads compile by it
    found, line = findings(), printer(arguments.output)
    deadline = time.monotonic() + 60 * arguments.minutes
    for number, of in enumerate(chosen):
        compare(arguments, of, found, line, number == 0, deadline)
    line({"kind": "end", "differences": found.differences, "failures": found.failures})
    if found.disagree:
        raise SystemExit("peer: the sides do not agree everywhere; see the failures in the last line")


if __name__ == "__main__":
    main()

# SPDX-License-Identifier: Apache-2.0
"""Times the text-to-emoji U-Net in PyTorch on the CPU: forward, and forward with backward to every parameter.

Prints one JSON object; times are in milliseconds a call. Compare only with figures taken on the same machine, on the
same number of threads and at the same load. On a busy machine `median_cpu_ms` (processor time of all threads) with
--threads 1 is the figure that suffers least.
"""

import argparse
import json
import os
import platform
import statistics
import sys
import time
from pathlib import Path
from typing import Callable

import torch

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "examples" / "pytorch"))
from text_unet import text_unet  # noqa: E402


def inputs(batch: int, layout: torch.memory_format) -> tuple:
    generator = torch.Generator().manual_seed(1)
    x = torch.randn(batch, 3, 32, 32, generator=generator).contiguous(memory_format=layout)
    t = torch.exp(4 * torch.randn(batch, generator=generator))
    tokens = torch.randint(0, 495, (batch, 10), generator=generator)
    probe = torch.randn(batch, 3, 32, 32, generator=generator).contiguous(memory_format=layout)
    return x, t, tokens, probe


def workloads(network: torch.nn.Module, run: Callable, batch: int, layout: torch.memory_format) -> dict:
    x, t, tokens, probe = inputs(batch, layout)

    def forward():
        with torch.inference_mode():
            return run(x, t, tokens)

    def forward_backward():
        network.zero_grad(set_to_none=True)
        run(x, t, tokens).backward(probe)

    return {"forward": forward, "forward_backward": forward_backward}


def measure(call: Callable, warm_up: int, repeats: int) -> dict:
    for _ in range(warm_up):
        call()
    wall, processor = [], []
    for _ in range(repeats):
        start, start_processor = time.perf_counter(), time.process_time()
        call()
        wall.append(1e3 * (time.perf_counter() - start))
        processor.append(1e3 * (time.process_time() - start_processor))
    return {"median_ms": round(statistics.median(wall), 2), "min_ms": round(min(wall), 2),
            "max_ms": round(max(wall), 2), "median_cpu_ms": round(statistics.median(processor), 2), "repeats": repeats}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--batch", type=int, default=64, help="pictures a call (default: %(default)s)")
    parser.add_argument("--threads", type=int, default=2, help="threads of PyTorch (default: %(default)s)")
    parser.add_argument("--repeats", type=int, default=15, help="timed calls of each kind (default: %(default)s)")
    parser.add_argument("--warm-up", type=int, default=3, help="untimed calls before them (default: %(default)s)")
    parser.add_argument("--layout", choices=("channels_last", "contiguous"), default="channels_last")
    parser.add_argument("--modes", nargs="+", choices=("eager", "compile"), default=("eager", "compile"))
    parser.add_argument("--output", type=Path, help="also write the JSON to this file")
    arguments = parser.parse_args()

    torch.set_num_threads(arguments.threads)
    torch.manual_seed(0)
    layout = torch.channels_last if arguments.layout == "channels_last" else torch.contiguous_format
    report = {"torch": torch.__version__, "machine": platform.machine(), "cpu": torch.backends.cpu.get_cpu_capability(),
              "batch": arguments.batch, "threads": arguments.threads, "layout": arguments.layout,
              "load_average": round(os.getloadavg()[0], 2), "results": {}}
    for mode in arguments.modes:
        network = text_unet([f"word{i}" for i in range(494)]).to(memory_format=layout)
        report["parameters"] = sum(parameter.numel() for parameter in network.parameters())
        run = torch.compile(network) if mode == "compile" else network
        try:
            report["results"][mode] = {
                name: measure(call, arguments.warm_up, arguments.repeats)
                for name, call in workloads(network, run, arguments.batch, layout).items()
            }
        except Exception as failure:  # a missing compiler must not lose the eager figures
            report["results"][mode] = {"failed": f"{type(failure).__name__}: {failure}".splitlines()[0]}
    text = json.dumps(report, indent=2)
    print(text)
    if arguments.output:
        arguments.output.write_text(text + "\n")


if __name__ == "__main__":
    main()

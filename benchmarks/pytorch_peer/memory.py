# SPDX-License-Identifier: Apache-2.0
"""Peak memory of Diffusion-DPO on the adapters of a U-Net: fewstep, whose reference is the same network with the adapters
off, beside PyTorch with a second network.

Both sides compute the same loss at the start, log 2. What counts is the peak of the resident memory above what a process
held before its models were made; PyTorch is given a small update before that, so that its own libraries do not count.
"""

import argparse
import ctypes
import gc
import json
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

WAYS = {"eager, contiguous": ("contiguous", False), "eager, channels_last": ("channels_last", False),
        "compile, contiguous": ("contiguous", True), "compile, channels_last": ("channels_last", True)}


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--fewstep", type=Path, required=True, help="the program fewstep_peer_memory (./run bench gives it)")
    parser.add_argument("--pairs", type=int, default=32, help="of an update (default: %(default)s)")
    parser.add_argument("--budget", type=int, default=80, help="MB, also tried by fewstep (default: %(default)s)")
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)),
                        help="of each side (default: all %(default)s)")
    parser.add_argument("--no-compile", action="store_true", help="leave torch.compile out")
    parser.add_argument("--way", choices=WAYS, help=argparse.SUPPRESS)  # PyTorch's half, a process for each way
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    return parser.parse_args()


def resident(name: str) -> int:
    """Bytes of VmRSS or VmHWM."""
    return 1024 * int(re.search(rf"^{name}:\s*(\d+)", Path("/proc/self/status").read_text(), re.MULTILINE)[1])


def forget() -> int:
    """Bytes that are resident when all that can be given back has been; the peak is this from now on."""
    gc.collect()
    ctypes.CDLL(None).malloc_trim(0)
    Path("/proc/self/clear_refs").write_text("5")
    return resident("VmRSS")


def pytorch_side(way: str, folder: Path, pairs: int, threads: int) -> dict:
    import torch
    from torch import nn
    from torch.nn import functional as F
    from workloads import LAYOUTS, compiled, load
    torch.set_num_threads(threads)
    layout, compiles = WAYS[way]

    def updates(count: int, pairs: int) -> list:
        network = load(folder / "adapted.safetensors").to(memory_format=LAYOUTS[layout])
        reference = load(folder / "base.safetensors").to(memory_format=LAYOUTS[layout]).requires_grad_(False)
        adapters = [value for name, value in network.named_parameters() if "lora_" in name]
        network.requires_grad_(False)
        for value in adapters:
            value.requires_grad_(True)
        optimizer = torch.optim.Adam(adapters, lr=1e-4, fused=True)

        def errors(net: nn.Module, x, times, tokens, target) -> torch.Tensor:
            return (target - net(x, times, tokens)).square().mean(dim=(1, 2, 3))

        def loss_of(x, times, tokens, target, reference_errors) -> torch.Tensor:
            log_ratios = (reference_errors - errors(network, x, times, tokens, target)).view(-1, 2) / 2
            return -F.logsigmoid(2000 * (log_ratios[:, 0] - log_ratios[:, 1])).mean()

        of_reference, of_network = compiled(lambda *rows: errors(reference, *rows), compiles), compiled(loss_of, compiles)
        losses = []
        for _ in range(count):
            z = torch.empty(pairs, 3, 32, 32, memory_format=LAYOUTS[layout]).normal_().repeat_interleave(2, dim=0)
            clean = torch.empty(2 * pairs, 3, 32, 32, memory_format=LAYOUTS[layout]).normal_()
            times = torch.rand(pairs).repeat_interleave(2) * 10 + 0.01
            tokens = torch.randint(1, 494, (pairs, 10), dtype=torch.int32).repeat_interleave(2, dim=0)
            rows = clean + times[:, None, None, None] * z, times, tokens, clean
            optimizer.zero_grad(set_to_none=True)
            with torch.no_grad():
                reference_errors = of_reference(*rows)
            loss = of_network(*rows, reference_errors)
            loss.backward()
            nn.utils.clip_grad_norm_(adapters, 1.0)
            optimizer.step()
            losses.append(loss.item())
        return losses

    updates(2, 2)
    if compiles:
        updates(2, pairs)  # compiling takes memory of its own
        torch.compiler.reset()
    before = forget()
    losses = updates(3, pairs)
    return {"peak": resident("VmHWM") - before, "losses": losses, "version": torch.__version__}


def fewstep_side(program: Path, folder: str, threads: str, pairs: str, budget: int) -> dict:
    done = subprocess.run([program, folder, threads, pairs, str(budget)], check=True, stdout=subprocess.PIPE)
    made = json.loads(done.stdout)
    print(f"fewstep within {budget} MB: {megabytes(made['peak'])}, planned {megabytes(made['planned'])}, {made['rows']} rows "
          f"at a time, {1e3 * made['seconds']:.0f} ms an update; first loss {made['losses'][0]:.6f}", flush=True)
    return made


def megabytes(number: int) -> str:
    return f"{number / 1e6:.0f} MB"


def main() -> None:
    arguments = parse()
    if arguments.way:
        print(json.dumps(pytorch_side(arguments.way, arguments.folder, arguments.pairs, arguments.threads)))
        return
    os.environ["OMP_NUM_THREADS"] = str(arguments.threads)
    with tempfile.TemporaryDirectory(prefix="fewstep_peer_") as folder:
        sizes = [str(arguments.threads), str(arguments.pairs)]
        print(f"Diffusion-DPO on adapters, {arguments.pairs} pairs an update, {arguments.threads} threads; peak above what "
              "the process held before\n", flush=True)
        whole, fitted = (fewstep_side(arguments.fewstep, folder, *sizes, budget) for budget in (1000, arguments.budget))
        if whole["losses"] != fitted["losses"]:
            raise SystemExit("memory: the losses depend on the budget")
        for way in WAYS:
            if way.startswith("compile") and arguments.no_compile:
                continue
            done = subprocess.run([sys.executable, __file__, "--fewstep", arguments.fewstep, "--way", way, "--folder", folder,
                                   "--threads", sizes[0], "--pairs", sizes[1]], stdout=subprocess.PIPE, text=True)
            if done.returncode:
                print(f"PyTorch, {way}: not measured; what it said stands above", flush=True)
                continue
            peer = json.loads(done.stdout.splitlines()[-1])
            print(f"PyTorch {peer['version']}, {way}: {megabytes(peer['peak'])}; fewstep / PyTorch "
                  f"{whole['peak'] / peer['peak']:.2f}, within the budget {fitted['peak'] / peer['peak']:.2f}; first loss "
                  f"{peer['losses'][0]:.6f}", flush=True)


if __name__ == "__main__":
    main()

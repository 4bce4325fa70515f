# SPDX-License-Identifier: Apache-2.0
"""Models that fewstep wrote give the same outputs in PyTorch, and those that PyTorch wrote the same in fewstep."""

import subprocess
import sys
import tempfile
from pathlib import Path

import torch

ROOT = Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT / "examples" / "pytorch"))
import text_unet  # noqa: E402
from weights_file import load_file, save_file  # noqa: E402

PROGRAM = sys.argv[1]
BOUND = 1e-5


def outputs(network: torch.nn.Module, case: dict) -> dict:
    """o and f in double precision, channels-last."""
    network = network.double()
    x, t, tokens = case["x"].double().permute(0, 3, 1, 2), case["t"].double(), case["tokens"].long()
    with torch.no_grad():
        found = {"o": network(x, t, tokens), "f": network.clean(x, t, tokens)}
    return {name: value.permute(0, 2, 3, 1).float() for name, value in found.items()}


def round_trip(kind: str, folder: Path) -> None:
    print(kind)
    model, case, back, back_case = (folder / name for name in ("model", "case", "back", "back_case"))
    subprocess.run([PROGRAM, "write", kind, model, case], check=True)
    network, expected = text_unet.load(model), load_file(case)
    for name, value in outputs(network, expected).items():
        difference = ((value - expected[name]).norm() / expected[name].norm()).item()
        print(f"  PyTorch on fewstep's file: {name} differs by {difference:.1e}", flush=True)
        assert difference < BOUND, f"{name} differs by more than {BOUND}"

    torch.manual_seed(1)
    network = network.float()
    with torch.no_grad():
        for parameter in network.parameters():
            parameter *= 1 + 0.2 * torch.randn_like(parameter)
    text_unet.save(back, network, half=kind == "f16")
    case = expected | outputs(text_unet.load(back), expected)
    assert not torch.allclose(case["o"], expected["o"], rtol=1e-2), "the change of the weights changed nothing"
    save_file(case, back_case)
    subprocess.run([PROGRAM, "compare", back, back_case], check=True)


with tempfile.TemporaryDirectory() as folder:
    for kind in ("f32", "f16", "lora"):
        round_trip(kind, Path(folder))

# SPDX-License-Identifier: Apache-2.0
"""A small text-conditioned U-Net: output and every parameter gradient, computed by PyTorch in float64."""

import argparse
import sys
from pathlib import Path

import torch
from safetensors.torch import load_file

from reference_io import draws, save

ROOT = Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT / "examples" / "pytorch"))
from text_unet import text_unet  # noqa: E402

DRAWS = draws(seed=20240404)
SIDE, VOCABULARY = 8, [f"word{i}" for i in range(20)]
OPTIONS = {"height": SIDE, "width": SIDE, "widths": [16, 32], "condition": 32, "text_width": 32, "sigma_min": 0.01}


def initialise(network: torch.nn.Module) -> None:
    """Fixed draws, rounded to half precision: the file stores them as float16 and they are computed with as stored."""
    with torch.no_grad():
        for name, parameter in network.named_parameters():
            if name.endswith("bias"):
                scale, shift = 0.1, 0.0
            elif parameter.dim() == 1:
                scale, shift = 0.2, 1.0
            elif name == "words.weight":
                scale, shift = 1.0, 0.0
            else:
                scale, shift = parameter[0].numel() ** -0.5, 0.0
            parameter.copy_(DRAWS.normal(name, *parameter.shape, scale=scale, shift=shift).half())
        network.words.weight[0] = 0


def check(weights: Path, reference: Path) -> None:
    """Compares the module with another implementation's output and gradients for a stored model."""
    network = text_unet(VOCABULARY, **OPTIONS).double()
    stored = load_file(weights)
    network.load_state_dict({name: stored[name] for name in network.state_dict()})
    expected = load_file(reference)
    x, t, tokens = expected["x"].double(), expected["t"].double(), expected["tokens"]
    o, f = network(x, t, tokens), network.clean(x, t, tokens)
    (o * expected["probe"].double()).sum().backward()
    pairs = {"o": o, "f": f} | {f"grad.{name}": p.grad for name, p in network.named_parameters()}
    worst = max(((value - expected[name]).norm() / value.norm(), name) for name, value in pairs.items())
    print(f"{reference.name}: {len(pairs)} tensors, largest relative difference {worst[0]:.1e} ({worst[1]})")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    default = Path(__file__).resolve().parent.parent / "data" / "unet.safetensors"
    parser.add_argument("--output", type=Path, default=default, help="safetensors file to write (default: %(default)s)")
    parser.add_argument("--check", type=Path, nargs=2, metavar=("WEIGHTS", "REFERENCE"),
                        help="instead, reproduce a stored model's reference output and gradients")
    arguments = parser.parse_args()
    if arguments.check:
        check(*arguments.check)
        return

    torch.manual_seed(0)
    network = text_unet(VOCABULARY, **OPTIONS).double()
    initialise(network)
    t = torch.tensor([40.0, 4.0, 0.75, 0.0625], dtype=torch.float64)
    noise, picture = DRAWS.normal("noise", 4, 3, SIDE, SIDE), DRAWS.normal("picture", 4, 3, SIDE, SIDE, scale=0.5)
    x = (picture + t[:, None, None, None] * noise).float().double()
    tokens = torch.tensor([[1, 4, 7, 20, 0, 0], [0, 4, 0, 9, 9, 12], [2, 0, 3, 11, 15, 19], [0, 0, 0, 0, 0, 0]])
    probe = DRAWS.normal("probe", 4, 3, SIDE, SIDE)
    o, f = network(x, t, tokens), network.clean(x, t, tokens)
    (o * probe).sum().backward()

    tensors = {"x": x, "t": t, "tokens": tokens, "probe": probe, "o": o, "f": f,
               "time.frequencies": network.time.frequencies}
    for name, parameter in network.named_parameters():
        tensors[name] = parameter.half()
        tensors[f"grad.{name}"] = parameter.grad
    save(arguments.output, tensors, f"reference_unet.py, PyTorch {torch.__version__}, float64")


if __name__ == "__main__":
    main()

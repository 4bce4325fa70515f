# SPDX-License-Identifier: Apache-2.0
"""A small text-to-emoji U-Net: output and every parameter gradient, computed by PyTorch in float64."""

import argparse
from pathlib import Path

import torch
from safetensors.torch import load_file

from emoji_unet import emoji_unet, preconditioned
from reference_io import draws, save

DRAWS = draws(seed=20240404)
SIDE, VOCABULARY, WIDTHS, EMBEDDING = 8, 20, (16, 32), 32


def initialise(network: torch.nn.Module) -> None:
    """Fixed draws, rounded to half precision: the file stores them as float16 and they are computed with as stored."""
    with torch.no_grad():
        for name, parameter in network.named_parameters():
            if name.endswith("bias"):
                scale, shift = 0.1, 0.0
            elif parameter.dim() == 1:
                scale, shift = 0.2, 1.0
            elif name == "emb.weight":
                scale, shift = 1.0, 0.0
            else:
                scale, shift = parameter[0].numel() ** -0.5, 0.0
            parameter.copy_(DRAWS.normal(name, *parameter.shape, scale=scale, shift=shift).half())
        network.emb.weight[0] = 0
        network.fr.copy_(network.fr.float())


def check(weights: Path, reference: Path) -> None:
    """Compares the module with another implementation's output and gradients for a stored model."""
    stored = load_file(weights)
    rows, embedding = stored["emb.weight"].shape
    widths = (stored["inp.weight"].shape[0], stored["down.weight"].shape[0])
    network = emoji_unet(rows - 1, widths, embedding, stored["fr"].numel()).double()
    network.load_state_dict({name: value.double() for name, value in stored.items()})
    expected = load_file(reference)
    o, f = preconditioned(network, expected["x"].double(), expected["t"].double(), expected["tokens"])
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
    network = emoji_unet(VOCABULARY, WIDTHS, EMBEDDING).double()
    initialise(network)
    t = torch.tensor([40.0, 4.0, 0.75, 0.0625], dtype=torch.float64)
    noise, picture = DRAWS.normal("noise", 4, 3, SIDE, SIDE), DRAWS.normal("picture", 4, 3, SIDE, SIDE, scale=0.5)
    x = (picture + t[:, None, None, None] * noise).float().double()
    tokens = torch.tensor([[1, 4, 7, 20, 0, 0], [0, 4, 0, 9, 9, 12], [2, 0, 3, 11, 15, 19], [0, 0, 0, 0, 0, 0]])
    probe = DRAWS.normal("probe", 4, 3, SIDE, SIDE)
    o, f = preconditioned(network, x, t, tokens)
    (o * probe).sum().backward()

    tensors = {"x": x, "t": t, "tokens": tokens, "probe": probe, "o": o, "f": f, "fr": network.fr}
    for name, parameter in network.named_parameters():
        tensors[name] = parameter.half()
        tensors[f"grad.{name}"] = parameter.grad
    save(arguments.output, tensors, f"reference_unet.py, PyTorch {torch.__version__}, float64")


if __name__ == "__main__":
    main()

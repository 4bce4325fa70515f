# SPDX-License-Identifier: Apache-2.0
"""Losses of reward models and their gradients, computed by PyTorch in float64.

The contrastive loss is the symmetric cross-entropy over the similarities of unit vectors times exp(log_scale); pairs of
one caption are no negatives of each other (their logits are minus infinity, but for the diagonal). That of preferences
is the cross-entropy of the margins of pairs. The encoder of pictures is a small convolutional network.
"""

import torch
import torch.nn.functional as F

from reference_io import draws, output_path, save

DRAWS = draws(seed=20210226)
GROUPS = 4


def contrastive(y: torch.Tensor, log_scale: torch.Tensor, captions: torch.Tensor) -> torch.Tensor:
    pictures, texts = y.chunk(2, dim=1)
    logits = log_scale.exp() * pictures @ texts.T
    same = (captions[:, None] == captions[None, :]) & ~torch.eye(len(captions), dtype=torch.bool)
    logits = logits.masked_fill(same, float("-inf"))
    target = torch.arange(len(captions))
    return (F.cross_entropy(logits, target) + F.cross_entropy(logits.T, target)) / 2


def contrastive_case(name: str, captions: list, features: int, log_scale: float) -> dict:
    rows = len(captions)
    pictures, texts = DRAWS.normal(name + "p", rows, features), DRAWS.normal(name + "t", rows, features)
    y = torch.cat([F.normalize(pictures), F.normalize(texts)], dim=1).float().double().requires_grad_()
    scale = torch.tensor([log_scale]).float().double().requires_grad_()
    loss = contrastive(y, scale, torch.tensor(captions))
    loss.backward()
    return {f"{name}.y": y, f"{name}.captions": torch.tensor(captions), f"{name}.log_scale": scale,
            f"{name}.loss": loss[None], f"{name}.grad.y": y.grad, f"{name}.grad.log_scale": scale.grad}


def bradley_terry_case(name: str, smoothing: float) -> dict:
    rewards = DRAWS.normal(name, 2, 9, scale=3.0).requires_grad_()
    margins = rewards[0] - rewards[1]
    loss = F.binary_cross_entropy_with_logits(margins, torch.full_like(margins, 1 - smoothing))
    loss.backward()
    return {f"{name}.rewards": rewards, f"{name}.smoothing": torch.tensor([smoothing]), f"{name}.loss": loss[None],
            f"{name}.grad.rewards": rewards.grad}


def encode(x: torch.Tensor, w: dict) -> torch.Tensor:
    def conv(h, layer, stride=1):
        return F.conv2d(h, w[layer + ".weight"], w[layer + ".bias"], stride=stride, padding=1)

    def norm(h, layer):
        return F.silu(F.group_norm(h, GROUPS, w[layer + ".weight"], w[layer + ".bias"]))

    h = conv(F.pixel_unshuffle(x, 2), "in")
    for level in range(2):
        block = f"blocks.{level}.0."
        h = h + conv(norm(conv(norm(h, block + "norm1"), block + "conv1"), block + "norm2"), block + "conv2")
        if level == 0:
            h = conv(h, "down.0", stride=2)
    return F.linear(norm(h, "norm").mean(dim=(2, 3)), w["out.weight"], w["out.bias"])


def encoder_case() -> dict:
    widths, features, w = (8, 12), 5, {}

    def add(layer, out, inner, kernel):
        fan_in = inner * kernel * kernel
        shape = (out, inner, kernel, kernel) if kernel else (out, inner)
        w[layer + ".weight"] = DRAWS.normal(layer + ".weight", *shape, scale=(fan_in or inner) ** -0.5)
        w[layer + ".bias"] = DRAWS.normal(layer + ".bias", out, scale=0.1)

    def add_norm(layer, channels):
        w[layer + ".weight"] = DRAWS.normal(layer + ".weight", channels, scale=0.2, shift=1.0)
        w[layer + ".bias"] = DRAWS.normal(layer + ".bias", channels, scale=0.1)

    add("in", widths[0], 12, 3)
    for level, width in enumerate(widths):
        for part in ("1", "2"):
            add_norm(f"blocks.{level}.0.norm{part}", width)
            add(f"blocks.{level}.0.conv{part}", width, width, 3)
    add("down.0", widths[1], widths[0], 3)
    add_norm("norm", widths[1])
    add("out", features, widths[1], 0)
    w = {name: value.requires_grad_() for name, value in w.items()}
    x, probe = DRAWS.normal("x", 3, 3, 8, 12).requires_grad_(), DRAWS.normal("probe", 3, features)
    output = encode(x, w)
    (output * probe).sum().backward()
    result = {"encoder.x": x, "encoder.probe": probe, "encoder.output": output, "encoder.grad.x": x.grad}
    for name, value in w.items():
        result |= {f"image.{name}": value, f"grad.image.{name}": value.grad}
    return result


def main() -> None:
    path = output_path(__doc__.splitlines()[0], "reward_models.safetensors")
    tensors = contrastive_case("distinct", [0, 1, 2, 3, 4, 5, 6], 6, 2.6592600369327783)
    tensors |= contrastive_case("repeated", [0, 1, 0, 2, 3, 1, 0, 4], 5, 1.5)
    tensors |= contrastive_case("sharp", [0, 1, 2, 2, 4], 8, 4.605170185988092)
    tensors |= bradley_terry_case("plain", 0.0) | bradley_terry_case("smoothed", 0.125)
    tensors |= encoder_case()
    save(path, tensors, f"reference_reward_models.py, PyTorch {torch.__version__}, float64")


if __name__ == "__main__":
    main()

# SPDX-License-Identifier: Apache-2.0
"""Outputs and gradients of single layers, computed by PyTorch in float64.

Each case stores its inputs and parameters by name, `output`, an upstream `probe`, and `grad.NAME`, the gradient of
sum(output * probe).
"""

import math
from typing import Callable

import torch
from torch.nn import functional as F

from reference_io import draws, output_path, save

GROUPS = 8
DRAWS = draws(seed=20240403)
TENSORS: dict = {}


def record(case: str, function: Callable, tokens: torch.Tensor | None = None, **inputs: torch.Tensor) -> None:
    """Runs function(**inputs), then stores everything under CASE.; in argument names `__` stands for a dot."""
    leaves = {name: value.clone().requires_grad_() for name, value in inputs.items()}
    output = function(**leaves) if tokens is None else function(tokens, **leaves)
    probe = DRAWS.normal(f"{case}.probe", *output.shape)
    (output * probe).sum().backward()

    tensors = {"output": output, "probe": probe}
    if tokens is not None:
        tensors["tokens"] = tokens
    for name, leaf in leaves.items():
        dotted = name.replace("__", ".")
        tensors[dotted] = leaf
        tensors[f"grad.{dotted}"] = leaf.grad
    TENSORS.update({f"{case}.{name}": tensor for name, tensor in tensors.items()})


def parameters(case: str, **shapes: tuple) -> dict:
    """Weights of unit gain, biases of size 0.1; a weight of one dimension is a norm's gain, about 1."""
    result = {}
    for name, shape in shapes.items():
        if name.endswith("bias"):
            scale, shift = 0.1, 0.0
        elif len(shape) == 1:
            scale, shift = 0.2, 1.0
        else:
            scale, shift = 1 / math.sqrt(math.prod(shape[1:])), 0.0
        result[name] = DRAWS.normal(f"{case}.{name}", *shape, scale=scale, shift=shift)
    return result


def inputs(case: str, **shapes: tuple) -> dict:
    return {name: DRAWS.normal(f"{case}.{name}", *shape) for name, shape in shapes.items()}


def dense_layers() -> None:
    record("linear", lambda x, weight, bias: F.linear(x, weight, bias), **inputs("linear", x=(5, 7)),
           **parameters("linear", weight=(4, 7), bias=(4,)))

    def mlp(x, **p):
        h = F.silu(F.linear(x, p["0__weight"], p["0__bias"]))
        h = F.silu(F.linear(h, p["2__weight"], p["2__bias"]))
        return F.linear(h, p["4__weight"], p["4__bias"])

    shapes = {"0__weight": (16, 5), "0__bias": (16,), "2__weight": (16, 16), "2__bias": (16,),
              "4__weight": (3, 16), "4__bias": (3,)}
    record("mlp", mlp, **inputs("mlp", x=(6, 5)), **parameters("mlp", **shapes))

    alpha, rank = 6.0, 3

    def lora(x, weight, bias, lora_a, lora_b):
        return F.linear(x, weight, bias) + alpha / rank * F.linear(F.linear(x, lora_a), lora_b)

    record("lora_linear", lora, **inputs("lora_linear", x=(5, 12)),
           **parameters("lora_linear", weight=(7, 12), bias=(7,), lora_a=(rank, 12), lora_b=(7, rank)))


def convolutions() -> None:
    def case(name, x, weight, **settings):
        record(name, lambda x, weight, bias: F.conv2d(x, weight, bias, **settings), **inputs(name, x=x),
               **parameters(name, weight=weight, bias=weight[:1]))

    case("conv3x3", x=(2, 5, 6, 7), weight=(4, 5, 3, 3), padding=1)
    case("conv1x1", x=(2, 5, 3, 4), weight=(6, 5, 1, 1))
    case("conv3x3_stride2_even", x=(2, 3, 6, 8), weight=(4, 3, 3, 3), stride=2, padding=1)
    case("conv3x3_stride2_odd", x=(2, 3, 7, 5), weight=(4, 3, 3, 3), stride=2, padding=1)


def norms() -> None:
    def group_norm(x, weight, bias):
        return F.group_norm(x, GROUPS, weight, bias)

    def scale_shift_silu(x, weight, bias, scale, shift):
        h = group_norm(x, weight, bias)
        return F.silu(h * (1 + scale[:, :, None, None]) + shift[:, :, None, None])

    affine = {"weight": (16,), "bias": (16,)}
    for name, function in {"group_norm": group_norm, "group_norm_silu": lambda **p: F.silu(group_norm(**p))}.items():
        record(name, function, x=DRAWS.normal(f"{name}.x", 2, 16, 3, 5, scale=2, shift=0.5),
               **parameters(name, **affine))
    name = "group_norm_scale_shift_silu"
    record(name, scale_shift_silu, x=DRAWS.normal(f"{name}.x", 2, 16, 3, 5, scale=2, shift=0.5),
           **parameters(name, **affine), **inputs(name, scale=(2, 16), shift=(2, 16)))
    record("layer_norm", lambda x, weight, bias: F.layer_norm(x, (12,), weight, bias),
           x=DRAWS.normal("layer_norm.x", 5, 12, scale=2, shift=0.5),
           **parameters("layer_norm", weight=(12,), bias=(12,)))


def activations() -> None:
    far = torch.tensor([[-100.0, -20, -6, -1, 0, 1, 6, 20, 100]], dtype=torch.float64)
    for name, function in {"silu": F.silu, "gelu": F.gelu,
                           "gelu_tanh": lambda x: F.gelu(x, approximate="tanh")}.items():
        x = torch.cat([far, DRAWS.normal(f"{name}.x", 4, 9, scale=3)])
        record(name, lambda x, function=function: function(x), x=x)


def embeddings() -> None:
    tokens = torch.tensor([[3, 1, 7, 0, 0, 0], [5, 5, 2, 10, 9, 5], [0, 0, 4, 8, 0, 0], [0, 0, 0, 0, 0, 0]])

    def embedding_sum(tokens, weight):
        present = (tokens != 0)[:, :, None]
        count = present.sum(dim=1).clamp(min=1)
        return (weight[tokens] * present).sum(dim=1) / count.sqrt()

    record("embedding_sum", embedding_sum, tokens, weight=DRAWS.normal("embedding_sum.weight", 11, 8))
    record("fourier_embedding", lambda x, frequencies: torch.cat(
        [(x[:, None] * frequencies).sin(), (x[:, None] * frequencies).cos()], dim=1),
        **inputs("fourier_embedding", x=(5,), frequencies=(6,)))


def attend(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, heads: int) -> torch.Tensor:
    """Rows [N, L, C] of queries over rows [N, T, C] of keys and values, written out.

    Head h owns the h-th run of C / heads consecutive channels; scores are divided by sqrt(C / heads).
    """
    mixed = []
    for q_, k_, v_ in zip(q.chunk(heads, dim=2), k.chunk(heads, dim=2), v.chunk(heads, dim=2)):
        scores = q_ @ k_.transpose(1, 2) / math.sqrt(q_.shape[2])
        mixed.append(scores.softmax(dim=2) @ v_)
    return torch.cat(mixed, dim=2)


def rows_of(x: torch.Tensor) -> torch.Tensor:
    return x.flatten(2).transpose(1, 2)


def image_of(rows: torch.Tensor, like: torch.Tensor) -> torch.Tensor:
    return rows.transpose(1, 2).reshape(like.shape)


def attention() -> None:
    channels, context_channels = 16, 6

    def self_attention(heads, x, **p):
        normed = F.group_norm(x, GROUPS, p["n__weight"], p["n__bias"])
        q, k, v = rows_of(F.conv2d(normed, p["q__weight"], p["q__bias"])).chunk(3, dim=2)
        return x + F.conv2d(image_of(attend(q, k, v, heads), x), p["o__weight"], p["o__bias"])

    def cross_attention(heads, x, context, **p):
        normed = F.group_norm(x, GROUPS, p["n__weight"], p["n__bias"])
        q = F.linear(rows_of(normed), p["q__weight"], p["q__bias"])
        k = F.linear(context, p["k__weight"], p["k__bias"])
        v = F.linear(context, p["v__weight"], p["v__bias"])
        return x + image_of(F.linear(attend(q, k, v, heads), p["o__weight"], p["o__bias"]), x)

    def cross_attention_rows(heads, x, context, **p):
        q, k, v = F.linear(x, p["q__weight"]), F.linear(context, p["k__weight"]), F.linear(context, p["v__weight"])
        return F.linear(attend(q, k, v, heads), p["o__weight"], p["o__bias"])

    norm = {"n__weight": (channels,), "n__bias": (channels,)}
    square, tall = (channels, channels), (channels, context_channels)
    for heads in (1, 4):
        name = f"self_attention_{heads}"
        shapes = {**norm, "q__weight": (3 * channels, channels, 1, 1), "q__bias": (3 * channels,),
                  "o__weight": (*square, 1, 1), "o__bias": (channels,)}
        record(name, lambda heads=heads, **p: self_attention(heads, **p),
               **inputs(name, x=(2, channels, 3, 4)), **parameters(name, **shapes))

        name = f"cross_attention_{heads}"
        shapes = {**norm, "q__weight": square, "q__bias": (channels,), "k__weight": tall, "k__bias": (channels,),
                  "v__weight": tall, "v__bias": (channels,), "o__weight": square, "o__bias": (channels,)}
        record(name, lambda heads=heads, **p: cross_attention(heads, **p),
               **inputs(name, x=(2, channels, 3, 4), context=(2, 5, context_channels)), **parameters(name, **shapes))

        name = f"cross_attention_rows_{heads}"
        shapes = {"q__weight": square, "k__weight": tall, "v__weight": tall,
                  "o__weight": square, "o__bias": (channels,)}
        record(name, lambda heads=heads, **p: cross_attention_rows(heads, **p),
               **inputs(name, x=(2, 7, channels), context=(2, 5, context_channels)), **parameters(name, **shapes))


def residual_blocks() -> None:
    def block(x, e, **p):
        h = F.silu(F.group_norm(x, GROUPS, p["n1__weight"], p["n1__bias"]))
        h = F.conv2d(h, p["c1__weight"], p["c1__bias"], padding=1)
        a, b = F.linear(e, p["e__weight"], p["e__bias"])[:, :, None, None].chunk(2, dim=1)
        h = F.silu(F.group_norm(h, GROUPS, p["n2__weight"], p["n2__bias"]) * (1 + a) + b)
        h = F.conv2d(h, p["c2__weight"], p["c2__bias"], padding=1)
        return h + (F.conv2d(x, p["sk__weight"], p["sk__bias"]) if "sk__weight" in p else x)

    for name, wide, narrow in (("residual_block", 16, 16), ("residual_block_projected", 24, 16)):
        shapes = {"n1__weight": (wide,), "n1__bias": (wide,),
                  "c1__weight": (narrow, wide, 3, 3), "c1__bias": (narrow,),
                  "e__weight": (2 * narrow, 8), "e__bias": (2 * narrow,),
                  "n2__weight": (narrow,), "n2__bias": (narrow,),
                  "c2__weight": (narrow, narrow, 3, 3), "c2__bias": (narrow,)}
        if wide != narrow:
            shapes |= {"sk__weight": (narrow, wide, 1, 1), "sk__bias": (narrow,)}
        record(name, block, **inputs(name, x=(2, wide, 3, 4), e=(2, 8)), **parameters(name, **shapes))


def resampling() -> None:
    record("upsample_nearest2", lambda x: F.interpolate(x, scale_factor=2, mode="nearest"),
           **inputs("upsample_nearest2", x=(2, 3, 3, 4)))
    record("pixel_unshuffle2", lambda x: F.pixel_unshuffle(x, 2), **inputs("pixel_unshuffle2", x=(2, 3, 4, 6)))
    record("pixel_shuffle2", lambda x: F.pixel_shuffle(x, 2), **inputs("pixel_shuffle2", x=(2, 12, 2, 3)))


def main() -> None:
    path = output_path(__doc__.splitlines()[0], "layers.safetensors")
    for group in (dense_layers, convolutions, norms, activations, embeddings, attention, residual_blocks, resampling):
        group()
    save(path, TENSORS, f"reference_layers.py, PyTorch {torch.__version__}, float64")


if __name__ == "__main__":
    main()

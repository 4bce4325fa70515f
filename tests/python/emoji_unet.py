# SPDX-License-Identifier: Apache-2.0
"""The text-to-emoji network in PyTorch, with the parameter names of the published base model."""

import math

import torch
from torch import nn
from torch.nn import functional as F

GROUPS = 8


class residual_block(nn.Module):
    """skip(x) + c2(SiLU(n2(c1(SiLU(n1(x)))) * (1 + a) + b)), [a, b] = e(embedding)."""

    def __init__(self, inputs: int, outputs: int, embedding: int):
        super().__init__()
        self.n1 = nn.GroupNorm(GROUPS, inputs)
        self.c1 = nn.Conv2d(inputs, outputs, 3, padding=1)
        self.e = nn.Linear(embedding, 2 * outputs)
        self.n2 = nn.GroupNorm(GROUPS, outputs)
        self.c2 = nn.Conv2d(outputs, outputs, 3, padding=1)
        self.sk = nn.Conv2d(inputs, outputs, 1) if inputs != outputs else None

    def forward(self, x: torch.Tensor, embedding: torch.Tensor) -> torch.Tensor:
        h = self.c1(F.silu(self.n1(x)))
        a, b = self.e(embedding)[:, :, None, None].chunk(2, dim=1)
        h = self.c2(F.silu(self.n2(h) * (1 + a) + b))
        return (x if self.sk is None else self.sk(x)) + h


class self_attention(nn.Module):
    """x + o(softmax(q^T k / sqrt(channels per head)) v) over the H*W positions of n(x).

    Head h owns the h-th run of consecutive channels in each of q, k and v.
    """

    def __init__(self, channels: int, heads: int = 1):
        super().__init__()
        self.heads = heads
        self.n = nn.GroupNorm(GROUPS, channels)
        self.q = nn.Conv2d(channels, 3 * channels, 1)
        self.o = nn.Conv2d(channels, channels, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        batch, channels, height, width = x.shape
        rows = self.q(self.n(x)).flatten(2).transpose(1, 2)
        q, k, v = (
            part.reshape(batch, height * width, self.heads, channels // self.heads).transpose(1, 2)
            for part in rows.chunk(3, dim=2)
        )
        mixed = F.scaled_dot_product_attention(q, k, v).transpose(1, 2).reshape(batch, height * width, channels)
        return x + self.o(mixed.transpose(1, 2).reshape(batch, channels, height, width))


class emoji_unet(nn.Module):
    """Raw network: pictures [N, 3, H, W], c_noise [N], tokens [N, L] (0 is padding) -> [N, 3, H, W]."""

    def __init__(self, vocabulary: int = 494, widths: tuple = (48, 96), embedding: int = 128, frequencies: int = 32):
        super().__init__()
        narrow, wide = widths
        self.register_buffer("fr", torch.exp(torch.linspace(math.log(8), math.log(0.008), frequencies)))
        self.te = nn.Sequential(nn.Linear(2 * frequencies, embedding), nn.SiLU(), nn.Linear(embedding, embedding))
        self.emb = nn.Embedding(vocabulary + 1, embedding, padding_idx=0)
        self.ce = nn.Sequential(nn.Linear(embedding, embedding), nn.SiLU(), nn.Linear(embedding, embedding))
        self.inp = nn.Conv2d(12, narrow, 3, padding=1)
        self.d1 = residual_block(narrow, narrow, embedding)
        self.d2 = residual_block(narrow, narrow, embedding)
        self.down = nn.Conv2d(narrow, wide, 3, stride=2, padding=1)
        self.m1 = residual_block(wide, wide, embedding)
        self.at = self_attention(wide)
        self.m2 = residual_block(wide, wide, embedding)
        self.m3 = residual_block(wide, wide, embedding)
        self.up = nn.Conv2d(wide, narrow, 3, padding=1)
        self.u1 = residual_block(2 * narrow, narrow, embedding)
        self.u2 = residual_block(narrow, narrow, embedding)
        self.no = nn.GroupNorm(GROUPS, narrow)
        self.out = nn.Conv2d(narrow, 12, 3, padding=1)

    def forward(self, x: torch.Tensor, c_noise: torch.Tensor, tokens: torch.Tensor) -> torch.Tensor:
        phase = c_noise[:, None] * self.fr
        time = self.te(torch.cat([phase.sin(), phase.cos()], dim=1))
        count = (tokens != 0).sum(dim=1, keepdim=True).clamp(min=1)
        text = self.ce(self.emb(tokens).sum(dim=1) / count.to(x.dtype).sqrt())
        embedding = F.silu(time + text)

        skip = self.d2(self.d1(self.inp(F.pixel_unshuffle(x, 2)), embedding), embedding)
        h = self.at(self.m1(self.down(skip), embedding))
        h = self.m3(self.m2(h, embedding), embedding)
        h = self.up(F.interpolate(h, scale_factor=2, mode="nearest"))
        h = self.u2(self.u1(torch.cat([h, skip], dim=1), embedding), embedding)
        return F.pixel_shuffle(self.out(F.silu(self.no(h))), 2)


def preconditioned(network: nn.Module, x: torch.Tensor, t: torch.Tensor, tokens: torch.Tensor,
                   sigma_data: float = 0.5, sigma_min: float = 0.01) -> tuple:
    """Returns the raw output o = net(in x, ln(t)/4, c) and the prediction f = skip x + out o."""
    t_ = t[:, None, None, None]
    data = sigma_data**2
    scale_in = 1 / (t_**2 + data).sqrt()
    skip = data / ((t_ - sigma_min) ** 2 + data)
    out = sigma_data * (t_ - sigma_min) * scale_in
    o = network(scale_in * x, t.log() / 4, tokens)
    return o, skip * x + out * o

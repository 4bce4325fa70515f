# SPDX-License-Identifier: Apache-2.0
"""fewstep's text_unet in PyTorch: load() and save() read and write its model files.

Parameters have the names and shapes of the file, so that

    network.load_state_dict(load_file("base.safetensors"))

fits strictly, with load_file of this folder or of safetensors.torch. fewstep keeps pictures channels-last: a row of a
batch there is a picture [H, W, C] here, x.permute(0, 2, 3, 1).flatten(1).
"""

import json

import torch
from torch import nn
from torch.nn import functional as F

from weights_file import load_file, load_metadata, save_file

DEFAULTS = {"height": 32, "width": 32, "channels": 3, "patch": 2, "widths": [48, 96], "encoder_blocks": 2,
            "middle_blocks": 3, "decoder_blocks": 2, "heads": 1, "condition": 128, "groups": 8, "text_width": 128,
            "sigma_data": 0.5, "sigma_min": 0.002, "sigma_max": 80.0}


class mlp(nn.Sequential):
    def __init__(self, inputs: int, width: int):
        super().__init__(nn.Linear(inputs, width), nn.SiLU(), nn.Linear(width, width))


class residual_block(nn.Module):
    """skip(x) + conv2(SiLU(norm2(conv1(SiLU(norm1(x)))) (1 + scale) + shift)), [scale, shift] from the condition."""

    def __init__(self, inputs: int, outputs: int, options: dict):
        super().__init__()
        self.norm1 = nn.GroupNorm(options["groups"], inputs)
        self.conv1 = nn.Conv2d(inputs, outputs, 3, padding=1)
        self.condition = nn.Linear(options["condition"], 2 * outputs)
        self.norm2 = nn.GroupNorm(options["groups"], outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, padding=1)
        self.skip = nn.Conv2d(inputs, outputs, 1) if inputs != outputs else nn.Identity()

    def forward(self, x: torch.Tensor, condition: torch.Tensor) -> torch.Tensor:
        h = self.conv1(F.silu(self.norm1(x)))
        scale, shift = self.condition(condition)[:, :, None, None].chunk(2, dim=1)
        return self.skip(x) + self.conv2(F.silu(self.norm2(h) * (1 + scale) + shift))


def plain_attention(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
    return torch.softmax(q @ k.transpose(2, 3) / q.shape[3] ** 0.5, dim=3) @ v


attention = getattr(F, "scaled_dot_product_attention", plain_attention)  # since PyTorch 2


class self_attention(nn.Module):
    """x + out(attention over the positions of norm(x)); head h owns the h-th run of channels in each of q, k and v."""

    def __init__(self, channels: int, options: dict):
        super().__init__()
        self.heads = options["heads"]
        self.norm = nn.GroupNorm(options["groups"], channels)
        self.qkv = nn.Conv2d(channels, 3 * channels, 1)
        self.out = nn.Conv2d(channels, channels, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        batch, channels, height, width = x.shape
        rows = self.qkv(self.norm(x)).flatten(2).transpose(1, 2)
        q, k, v = (part.reshape(batch, height * width, self.heads, channels // self.heads).transpose(1, 2)
                   for part in rows.chunk(3, dim=2))
        mixed = attention(q, k, v).transpose(1, 2).reshape(batch, height * width, channels)
        return x + self.out(mixed.transpose(1, 2).reshape(x.shape))


class unet(nn.Module):
    def __init__(self, o: dict):
        super().__init__()
        packed, widths = o["channels"] * o["patch"] ** 2, o["widths"]
        levels = list(zip(widths, widths[1:]))
        self.patch = o["patch"]
        self.add_module("in", nn.Conv2d(packed, widths[0], 3, padding=1))
        self.encoder = nn.ModuleList(
            nn.ModuleList(residual_block(width, width, o) for _ in range(o["encoder_blocks"])) for width, _ in levels)
        self.down = nn.ModuleList(nn.Conv2d(width, below, 3, stride=2, padding=1) for width, below in levels)
        self.middle = nn.ModuleList(residual_block(widths[-1], widths[-1], o) for _ in range(o["middle_blocks"]))
        self.attention = self_attention(widths[-1], o) if o["heads"] > 0 else nn.Identity()
        self.up = nn.ModuleList(nn.Conv2d(below, width, 3, padding=1) for width, below in levels)
        self.decoder = nn.ModuleList(
            nn.ModuleList(residual_block(2 * width if b == 0 else width, width, o) for b in range(o["decoder_blocks"]))
            for width, _ in levels)
        self.norm = nn.GroupNorm(o["groups"], widths[0])
        self.out = nn.Conv2d(widths[0], packed, 3, padding=1)

    def forward(self, x: torch.Tensor, condition: torch.Tensor) -> torch.Tensor:
        h = self._modules["in"](F.pixel_unshuffle(x, self.patch))
        kept = []
        for blocks, down in zip(self.encoder, self.down):
            for block in blocks:
                h = block(h, condition)
            kept.append(h)
            h = down(h)
        for b, block in enumerate(self.middle):
            h = block(h, condition)
            if b == 0:
                h = self.attention(h)
        for blocks, up in zip(reversed(self.decoder), reversed(self.up)):
            h = torch.cat([up(F.interpolate(h, scale_factor=2.0, mode="nearest")), kept.pop()], dim=1)
            for block in blocks:
                h = block(h, condition)
        return F.pixel_shuffle(self.out(F.silu(self.norm(h))), self.patch)


def is_adaptable(layer: nn.Module) -> bool:
    """Whether fewstep puts low-rank adapters on this layer: linear ones and 1x1 convolutions."""
    return isinstance(layer, nn.Linear) or getattr(layer, "kernel_size", None) == (1, 1)


class text_unet(nn.Module):
    """Word i of the vocabulary is token i + 1, and token 0 is padding. `options` as in DEFAULTS."""

    def __init__(self, vocabulary: list, frequencies: torch.Tensor = 0.125 * 2 ** (6 * torch.arange(32) / 31),
                 **options):
        super().__init__()
        self.vocabulary, self.lora = vocabulary, None
        self.options = o = DEFAULTS | options
        self.time = mlp(2 * len(frequencies), o["condition"])
        self.time.register_buffer("frequencies", frequencies.clone())
        self.words = nn.EmbeddingBag(len(vocabulary) + 1, o["text_width"], mode="sum", padding_idx=0)
        self.text = mlp(o["text_width"], o["condition"])
        self.unet = unet(o)

    def encode(self, prompts: list) -> torch.Tensor:
        """Tokens [N, L] of prompts; words that are not known are left out."""
        number = {word: i + 1 for i, word in enumerate(self.vocabulary)}
        tokens = [[number[word] for word in prompt.lower().replace(",", " ").split() if word in number][:10]
                  for prompt in prompts]
        return torch.tensor([row + [0] * (10 - len(row)) for row in tokens])

    def forward(self, x: torch.Tensor, t: torch.Tensor, tokens: torch.Tensor) -> torch.Tensor:
        """Raw output o [N, C, H, W] for states x [N, C, H, W] at noise levels t [N] under tokens [N, L]."""
        phase = t.clamp(min=1e-6).log()[:, None] / 4 * self.time.frequencies
        count = (tokens != 0).sum(dim=1, keepdim=True).clamp(min=1)
        text = self.text(self.words(tokens) / count.to(x.dtype).sqrt())
        condition = F.silu(self.time(torch.cat([phase.sin(), phase.cos()], dim=1)) + text)
        return self.unet(x / (t**2 + self.options["sigma_data"] ** 2).sqrt()[:, None, None, None], condition)

    def clean(self, x: torch.Tensor, t: torch.Tensor, tokens: torch.Tensor) -> torch.Tensor:
        """Clean prediction f = skip(t) x + out(t) o of a consistency model."""
        sigma, since = self.options["sigma_data"], t - self.options["sigma_min"]
        skip = sigma**2 / (since**2 + sigma**2)
        out = sigma * since / (t**2 + sigma**2).sqrt()
        return skip[:, None, None, None] * x + out[:, None, None, None] * self(x, t, tokens)

    def add_adapters(self, rank: int, alpha: float) -> None:
        """Low-rank adapters where fewstep has them, of PEFT's shapes: y += (alpha / rank) B A x."""
        def add(layer: nn.Module, inputs: tuple, y: torch.Tensor) -> torch.Tensor:
            return y + alpha / rank * layer.lora_B(layer.lora_A(inputs[0]))

        self.lora = {"rank": rank, "alpha": alpha}
        for layer in list(self.modules()):
            if is_adaptable(layer):
                outputs, inputs = layer.weight.shape[:2]
                kind, shape = (nn.Linear, ()) if isinstance(layer, nn.Linear) else (nn.Conv2d, (1,))
                layer.lora_A = kind(inputs, rank, *shape, bias=False)
                layer.lora_B = kind(rank, outputs, *shape, bias=False)
                nn.init.normal_(layer.lora_A.weight, std=rank**-0.5)
                nn.init.zeros_(layer.lora_B.weight)
                layer.register_forward_hook(add)


def load(path) -> text_unet:
    """The network of a model file, its adapters included."""
    metadata, tensors = load_metadata(path), load_file(path)
    network = text_unet(metadata["fewstep.vocabulary"].split(), tensors["time.frequencies"],
                        **json.loads(metadata["fewstep.text_unet"]))
    if "fewstep.lora" in metadata:
        network.add_adapters(**json.loads(metadata["fewstep.lora"]))
    network.load_state_dict(tensors)
    return network


def save(path, network: text_unet, half: bool = False) -> None:
    """Writes a model file that fewstep's load_consistency_model reads; `half` stores weights in 16 bits."""
    metadata = {"fewstep.text_unet": json.dumps(network.options),
                "fewstep.vocabulary": "".join(word + "\n" for word in network.vocabulary)}
    if network.lora:
        metadata["fewstep.lora"] = json.dumps(network.lora)
    tensors = {name: value.half() if half and name != "time.frequencies" else value.float()
               for name, value in network.state_dict().items()}
    save_file(tensors, path, metadata)

# SPDX-License-Identifier: Apache-2.0
"""Takes a model of fewstep, trains it in PyTorch, and writes it for fewstep: here towards darker pictures."""

import argparse

import torch

import text_unet

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("input", help="model file, such as examples/text_to_emoji/base.safetensors")
parser.add_argument("output", help="model file to write")
arguments = parser.parse_args()

network = text_unet.load(arguments.input)
optimizer = torch.optim.Adam(network.parameters(), lr=1e-5)
tokens = network.encode(["red heart", "cat face", "full moon", "green book"])
generator = torch.Generator().manual_seed(0)
for step in range(3):
    t = torch.full((len(tokens),), 40.0)
    x = t[:, None, None, None] * torch.randn(len(tokens), 3, 32, 32, generator=generator)
    brightness = network.clean(x, t, tokens).mean()
    optimizer.zero_grad()
    brightness.backward()
    optimizer.step()
    print(f"step {step}: brightness {brightness.item():.3f}")
text_unet.save(arguments.output, network)

# SPDX-License-Identifier: Apache-2.0
"""Writes the weights of a small network, and what it answers, for own_network.cpp."""

import sys

import torch
from torch import nn

from weights_file import save_file

torch.manual_seed(0)
network = nn.Sequential(nn.Linear(3, 16), nn.Tanh(), nn.Linear(16, 2))
x = torch.randn(5, 3)
with torch.no_grad():
    save_file({"net." + name: value for name, value in network.state_dict().items()} | {"x": x, "y": network(x)},
              sys.argv[1])

# SPDX-License-Identifier: Apache-2.0
"""Helpers shared by the scripts that make reference values for the C++ tests."""

import argparse
import zlib
from pathlib import Path

import numpy as np
import torch
from safetensors.numpy import save_file


def output_path(description: str, file_name: str) -> Path:
    """Parses the one option that the reference scripts have."""
    parser = argparse.ArgumentParser(description=description)
    default = Path(__file__).resolve().parent.parent / "data" / file_name
    parser.add_argument("--output", type=Path, default=default, help="safetensors file to write (default: %(default)s)")
    return parser.parse_args().output


class draws:
    """Named normal draws that do not depend on the order in which they are asked for.

    Every value is rounded to float32 first, so what the file holds is exactly what was computed with.
    """

    def __init__(self, seed: int):
        self.seed = seed

    def normal(self, name: str, *shape: int, scale: float = 1.0, shift: float = 0.0) -> torch.Tensor:
        values = self.generator(name).standard_normal(shape) * scale + shift
        return torch.from_numpy(values.astype(np.float32)).double()

    def integers(self, name: str, low: int, high: int, *shape: int) -> torch.Tensor:
        return torch.from_numpy(self.generator(name).integers(low, high, shape))

    def generator(self, name: str) -> np.random.Generator:
        return np.random.Generator(np.random.PCG64([self.seed, zlib.crc32(name.encode())]))


def stored(tensor) -> np.ndarray:
    """Floating-point values are stored as float32 unless they are half precision already."""
    array = tensor.detach().numpy() if isinstance(tensor, torch.Tensor) else np.asarray(tensor)
    return np.ascontiguousarray(array, dtype=np.float32 if array.dtype == np.float64 else array.dtype)


def save(path: Path, tensors: dict, note: str) -> None:
    """Writes the tensors under one metadata entry (a single entry keeps the file's bytes reproducible)."""
    save_file({name: stored(tensor) for name, tensor in tensors.items()}, path, metadata={"made_with": note})
    path.chmod(0o644)
    print(f"{path}: {len(tensors)} tensors, {path.stat().st_size} bytes")

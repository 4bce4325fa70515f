# SPDX-License-Identifier: Apache-2.0
"""A safetensors file with every element type that the package safetensors writes, and what the small floats mean.

Needs numpy, safetensors and ml_dtypes, and no PyTorch.
"""

import argparse
from pathlib import Path

import ml_dtypes
import numpy as np
from safetensors import TensorSpec, serialize_file

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--output", type=Path, default=Path(__file__).resolve().parent.parent / "data/dtypes.safetensors")
path = parser.parse_args().output

patterns = np.arange(256, dtype=np.uint8)
arrays = {
    "bool": np.array([True, False, True]),
    "i8": np.array([-128, 127], dtype=np.int8),
    "u8": np.array([0, 255], dtype=np.uint8),
    "i16": np.array([-32768, 32767], dtype=np.int16),
    "u16": np.array([0, 65535], dtype=np.uint16),
    "i32": np.array([-(2**31), 2**31 - 1], dtype=np.int32),
    "u32": np.array([0, 2**32 - 1], dtype=np.uint32),
    "i64": np.array([-(2**63), 2**63 - 1], dtype=np.int64),
    "u64": np.array([0, 2**64 - 1], dtype=np.uint64),
    "f16": np.array([0.1, 65504], dtype=np.float16),
    "bf16": np.array([0.1, -3], dtype=ml_dtypes.bfloat16),
    "f32": np.array([0.1, -3], dtype=np.float32),
    "f64": np.array([0.1, -3], dtype=np.float64),
    "c64": np.array([1 + 2j, -3j], dtype=np.complex64),
}
for kind in ("float8_e4m3fn", "float8_e5m2", "float8_e4m3fnuz", "float8_e5m2fnuz", "float8_e8m0fnu"):
    small = patterns.view(getattr(ml_dtypes, kind))
    arrays[kind] = small
    arrays[kind + ".values"] = small.astype(np.float32)
specs = {name: TensorSpec(dtype=array.dtype.name, shape=array.shape, data_ptr=array.ctypes.data,
                          data_len=array.nbytes) for name, array in arrays.items()}
packed = np.array([[0x21, 0x43]], dtype=np.uint8)  # four numbers in two bytes
specs["float4"] = TensorSpec(dtype="float4_e2m1fn_x2", shape=(1, 2), data_ptr=packed.ctypes.data, data_len=2)
serialize_file(specs, path, {"made_with": f"safetensors 0.8.0, ml_dtypes {ml_dtypes.__version__}"})
path.chmod(0o644)
print(f"{path}: {len(specs)} tensors, {path.stat().st_size} bytes")

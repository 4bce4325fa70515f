# SPDX-License-Identifier: Apache-2.0
"""Safetensors files in a few lines, for where the package safetensors is missing; its own functions do as well.

A file is the length of a JSON header (8 bytes, little-endian), the header, and the tensors' bytes.
"""

import json
import struct
from pathlib import Path

import torch

TYPES = {"F64": torch.float64, "F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16,
         "I64": torch.int64, "I32": torch.int32, "I16": torch.int16, "I8": torch.int8, "U8": torch.uint8,
         "BOOL": torch.bool, "C64": torch.complex64}
NEWER = {"U64": "uint64", "U32": "uint32", "U16": "uint16", "F8_E4M3": "float8_e4m3fn", "F8_E5M2": "float8_e5m2"}
TYPES |= {name: getattr(torch, kind) for name, kind in NEWER.items() if hasattr(torch, kind)}


def load_file(path) -> dict:
    """Tensors by name, in the types that they are stored in."""
    header, data = read(path)
    return {name: torch.frombuffer(bytearray(data[slice(*entry["data_offsets"])]), dtype=TYPES[entry["dtype"]])
            .reshape(entry["shape"]) for name, entry in header.items() if name != "__metadata__"}


def load_metadata(path) -> dict:
    return read(path)[0].get("__metadata__") or {}


def save_file(tensors: dict, path, metadata: dict = {}) -> None:
    names = {dtype: name for name, dtype in TYPES.items()}
    header, chunks, begin = {"__metadata__": metadata}, [], 0
    for name, tensor in sorted(tensors.items(), key=lambda item: (-item[1].element_size(), item[0])):
        chunks.append(tensor.detach().cpu().contiguous().flatten().view(torch.uint8).numpy().tobytes())
        end = begin + len(chunks[-1])
        header[name] = {"dtype": names[tensor.dtype], "shape": list(tensor.shape), "data_offsets": [begin, end]}
        begin = end
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    Path(path).write_bytes(struct.pack("<Q", len(text)) + text + b"".join(chunks))


def read(path) -> tuple:
    content = Path(path).read_bytes()
    begin = 8 + struct.unpack("<Q", content[:8])[0]
    return json.loads(content[8:begin]), content[begin:]

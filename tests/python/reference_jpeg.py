# SPDX-License-Identifier: Apache-2.0
"""Small pictures and the number of bytes that Pillow's JPEG encoder makes of each (quality 95, default settings)."""

import argparse
import io
from pathlib import Path

import numpy as np
from PIL import Image, __version__, features
from safetensors.numpy import save_file

QUALITY, TILE, TILES_A_ROW = 95, 32, 41


def tile(atlas: np.ndarray, index: int) -> np.ndarray:
    row, column = divmod(index, TILES_A_ROW)
    return atlas[TILE * row:TILE * (row + 1), TILE * column:TILE * (column + 1)]


def gradient(height: int, width: int) -> np.ndarray:
    y, x = np.mgrid[:height, :width]
    channels = [255 * x / max(width - 1, 1), 255 * y / max(height - 1, 1), 255 * (x + y) / max(height + width - 2, 1)]
    return np.rint(np.stack(channels, axis=2)).astype(np.uint8)


def pictures(atlas: np.ndarray) -> list:
    generator = np.random.Generator(np.random.PCG64(20240407))

    def noise(height, width):
        return generator.integers(0, 256, (height, width, 3), dtype=np.uint8)

    def flat(height, width, colour):
        return np.full((height, width, 3), colour, dtype=np.uint8)

    checkers = np.where(np.indices((32, 32)).sum(axis=0)[:, :, None] % 2, 255, 0).astype(np.uint8).repeat(3, axis=2)
    faint = (128 + generator.normal(0, 4, (32, 32, 3))).round().clip(0, 255).astype(np.uint8)
    return [
        *(tile(atlas, index) for index in (0, 1, 2, 100, 501, 700, 901, 1352)),
        noise(32, 32), faint, gradient(32, 32), flat(32, 32, 255), flat(32, 32, (200, 30, 60)), checkers,
        tile(atlas, 300)[8:24, 8:24], noise(16, 16), atlas[40:57, 70:93], gradient(17, 23),
        atlas[200:264, 300:348], noise(1, 1),
    ]


def encoded_size(picture: np.ndarray) -> int:
    buffer = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(picture)).save(buffer, format="JPEG", quality=QUALITY)
    return len(buffer.getvalue())


def main() -> None:
    tests = Path(__file__).resolve().parent.parent
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--atlas", type=Path, default=tests.parent / "examples/text_to_emoji/data/emoji32.png",
                        help="picture of 32x32 tiles to draw from (default: %(default)s)")
    parser.add_argument("--output", type=Path, default=tests / "data" / "jpeg_pictures.safetensors",
                        help="safetensors file to write (default: %(default)s)")
    arguments = parser.parse_args()

    chosen = pictures(np.asarray(Image.open(arguments.atlas).convert("RGB")))
    tensors = {f"picture_{i:02}": np.ascontiguousarray(picture) for i, picture in enumerate(chosen)}
    tensors["bytes"] = np.array([encoded_size(picture) for picture in chosen], dtype=np.int64)
    encoder = f"Pillow {__version__}, libjpeg-turbo {features.version('libjpeg_turbo')}"
    save_file(tensors, arguments.output, metadata={"made_with": f"reference_jpeg.py, {encoder}, quality {QUALITY}"})
    arguments.output.chmod(0o644)
    print(f"{encoder}: {tensors['bytes'].tolist()}")
    print(f"{arguments.output}: {len(tensors)} tensors, {arguments.output.stat().st_size} bytes")


if __name__ == "__main__":
    main()

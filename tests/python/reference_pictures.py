# SPDX-License-Identifier: Apache-2.0
"""PNG files of every colour type, depth and kind of transparency, JPEG files, and what Pillow shows of each on white."""

import argparse
import io
import itertools
import struct
import zlib
from pathlib import Path

import numpy as np
from PIL import Image, ImageCms, __version__
from safetensors.numpy import save_file

GREY, RGB, PALETTE, GREY_ALPHA, RGBA = 0, 2, 3, 4, 6
CHANNELS = {GREY: 1, RGB: 3, PALETTE: 1, GREY_ALPHA: 2, RGBA: 4}
DEPTHS = {GREY: (1, 2, 4, 8, 16), RGB: (8, 16), PALETTE: (1, 2, 4, 8), GREY_ALPHA: (8, 16), RGBA: (8, 16)}
NAMES = {GREY: "grey", RGB: "rgb", PALETTE: "palette", GREY_ALPHA: "grey_alpha", RGBA: "rgba"}
ADAM7 = [(0, 0, 8, 8), (0, 4, 8, 8), (4, 0, 8, 4), (0, 2, 4, 4), (2, 0, 4, 2), (0, 1, 2, 2), (1, 0, 2, 1)]
HEIGHT, WIDTH = 9, 11


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def packed_rows(levels: np.ndarray, depth: int) -> bytes:
    """Rows of filter type 0 of levels [height, width, channels]."""
    rows = b""
    for row in levels.reshape(levels.shape[0], -1):
        if depth == 16:
            rows += b"\0" + row.astype(">u2").tobytes()
        else:
            bits = np.unpackbits(row.astype(np.uint8)[:, None], axis=1)[:, 8 - depth:]
            rows += b"\0" + np.packbits(bits.reshape(-1)).tobytes()
    return rows


def png(levels: np.ndarray, kind: int, depth: int, interlaced: bool = False, chunks: bytes = b"") -> bytes:
    height, width = levels.shape[:2]
    passes = ADAM7 if interlaced else [(0, 0, 1, 1)]
    parts = [levels[top::down, left::right] for top, left, down, right in passes]
    data = b"".join(packed_rows(part, depth) for part in parts if part.size)
    return (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, kind, 0, 0, interlaced)) +
            chunks + chunk(b"IDAT", zlib.compress(data, 9)) + chunk(b"IEND", b""))


def on_white(file: bytes) -> np.ndarray:
    picture = Image.open(io.BytesIO(file))
    if picture.mode == "I;16":  # Pillow converts it to no other mode by its levels
        return np.repeat((np.asarray(picture) // 257).astype(np.uint8)[:, :, None], 3, axis=2)
    picture = picture.convert("RGBA")
    white = Image.new("RGBA", picture.size, (255, 255, 255, 255))
    return np.asarray(Image.alpha_composite(white, picture).convert("RGB"))


def png_files() -> dict:
    """Files by name, each with what has to be seen of it."""
    generator = np.random.Generator(np.random.PCG64(20260801))

    def levels(kind: int, depth: int) -> np.ndarray:
        drawn = generator.integers(0, 2**min(depth, 8), (HEIGHT, WIDTH, CHANNELS[kind]))
        return drawn * 257 if depth == 16 else drawn  # levels that 8 bits hold: Pillow cuts where others round

    files = {}

    def add(name: str, file: bytes) -> None:
        files[name] = (file, on_white(file))

    for kind, interlaced in itertools.product(NAMES, (False, True)):
        for depth in DEPTHS[kind]:
            name = f"{NAMES[kind]}_{depth}" + ("_interlaced" if interlaced else "")
            colours = chunk(b"PLTE", generator.bytes(3 * 2**depth)) if kind == PALETTE else b""
            picture = levels(kind, depth)
            add(name, png(picture, kind, depth, interlaced, colours))
            if kind in (GREY, RGB):
                key = chunk(b"tRNS", b"".join(struct.pack(">H", level) for level in picture[4, 5]))
                file = png(picture, kind, depth, interlaced, key)
                seen = np.where((picture == picture[4, 5]).all(axis=2)[:, :, None], np.uint8(255), files[name][1])
                if depth == 8:  # Pillow compares the levels of other depths with a key that it has not scaled as them
                    assert np.array_equal(seen, on_white(file))
                files[name + "_key"] = (file, seen)
            if kind == PALETTE:
                alphas = chunk(b"tRNS", generator.bytes(max(2**depth // 2, 1)))
                add(name + "_alphas", png(picture, kind, depth, interlaced, colours + alphas))

    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")).tobytes()
    ancillary = {
        "gamma_1": chunk(b"gAMA", struct.pack(">I", 100000)),
        "gamma_0.45": chunk(b"gAMA", struct.pack(">I", 45455)),
        "srgb": chunk(b"sRGB", b"\0"),
        "primaries": chunk(b"cHRM", struct.pack(">8I", 34567, 35850, 73469, 26531, 11420, 82638, 15664, 1770)),
        "profile": chunk(b"iCCP", b"profile\0\0" + zlib.compress(profile)),
        "background": chunk(b"bKGD", struct.pack(">3H", 10, 20, 30)),
        "significant_bits": chunk(b"sBIT", b"\5\5\5\5"),
        "orientation": chunk(b"eXIf", b"MM\0*\0\0\0\x08\0\1\x01\x12\0\3\0\0\0\1\0\6\0\0\0\0\0\0"),
    }
    for name, chunks in ancillary.items():
        add(f"rgba_with_{name}", png(levels(RGBA, 8), RGBA, 8, False, chunks))
    add("black_at_alpha_128", png(np.array([[[0, 0, 0, 128]]]), RGBA, 8))
    add("128_with_gamma_1", png(np.array([[[128, 128, 128]]]), RGB, 8, False, ancillary["gamma_1"]))
    add("16_bit_with_gamma_1", png(levels(RGBA, 16), RGBA, 16, True, ancillary["gamma_1"]))
    alpha, level = np.meshgrid(np.arange(256), np.arange(0, 256, 15), indexing="ij")
    add("every_alpha", png(np.stack([level, alpha], axis=2), GREY_ALPHA, 8))
    return files


def jpeg_files() -> dict:
    generator = np.random.Generator(np.random.PCG64(20260802))
    coarse = Image.fromarray(generator.integers(0, 256, (4, 5, 3), dtype=np.uint8))
    picture = coarse.resize((37, 29), Image.Resampling.BICUBIC)
    turned = Image.Exif()
    turned[0x0112] = 6
    ways = {
        "420": (picture, {}), "422": (picture, {"subsampling": 1}), "444": (picture, {"subsampling": 0}),
        "progressive": (picture, {"progressive": True}), "optimized": (picture, {"optimize": True}),
        "restarts": (picture, {"restart_marker_blocks": 2}), "grey": (picture.convert("L"), {}),
        "rgb_as_it_is": (picture, {"keep_rgb": True}), "turned": (picture, {"exif": turned}),
    }
    files = {}
    for name, (shown, options) in ways.items():
        stream = io.BytesIO()
        shown.save(stream, format="JPEG", quality=80, **options)
        files[name] = (stream.getvalue(), on_white(stream.getvalue()))
    stream = io.BytesIO()
    picture.convert("CMYK").save(stream, format="JPEG", quality=80)
    files["cmyk"] = (stream.getvalue(), None)
    return files


def main() -> None:
    tests = Path(__file__).resolve().parent.parent
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--output", type=Path, default=tests / "data" / "pictures.safetensors",
                        help="safetensors file to write (default: %(default)s)")
    arguments = parser.parse_args()

    tensors = {}
    for kind, files in (("png", png_files()), ("jpeg", jpeg_files())):
        for name, (file, seen) in files.items():
            tensors[f"{kind}.{name}.file"] = np.frombuffer(file, dtype=np.uint8)
            if seen is not None:
                tensors[f"{kind}.{name}.rgb"] = np.ascontiguousarray(seen)
    save_file(tensors, arguments.output, metadata={"made_with": f"reference_pictures.py, Pillow {__version__}"})
    arguments.output.chmod(0o644)
    print(f"{arguments.output}: {len(tensors)} tensors, {arguments.output.stat().st_size} bytes")


if __name__ == "__main__":
    main()

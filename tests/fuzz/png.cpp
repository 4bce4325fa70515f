// SPDX-License-Identifier: Apache-2.0
// A PNG file: chunks, palette, transparency, pixels. What is read survives being written and read again.
#include "fuzz.hpp"
#include "input_folder.hpp"

#include <fewstep/image/png.hpp>

#include <zlib.h>

#include <algorithm>

extern "C" std::size_t LLVMFuzzerMutate(std::uint8_t* data, std::size_t size, std::size_t most);
extern "C" std::size_t LLVMFuzzerCustomMutator(std::uint8_t* data, std::size_t size, std::size_t most, unsigned seed);

namespace {

/// Puts the right checksum to every chunk: of bytes changed blindly no reader would see more than that they are.
void repair_checksums(std::span<std::uint8_t> file) {
  constexpr std::size_t signature = 8, around = 12;
  for (std::size_t at = signature; at + around <= file.size();) {
    const std::size_t length = png_get_uint_32(file.data() + at);
    if (length > file.size() - at - around) return;
    const auto checksum = crc32(0, file.data() + at + 4, static_cast<uInt>(length + 4));
    png_save_uint_32(file.data() + at + 8 + length, static_cast<png_uint_32>(checksum));
    at += around + length;
  }
}

}  // namespace

std::size_t LLVMFuzzerCustomMutator(std::uint8_t* data, std::size_t size, std::size_t most, unsigned seed) {
  size = LLVMFuzzerMutate(data, size, most);
  if (seed % 16 != 0) repair_checksums({data, size});
  return size;
}

FEWSTEP_FUZZ(bytes) {
  const auto picture = fewstep::decode_png(bytes);
  fewstep::fuzz::require(static_cast<fewstep::index_t>(picture.pixels.size()) == picture.height * picture.width * 3,
                         "a picture of another size than its pixels");
  if (picture.pixels.size() < 10000)
    fewstep::fuzz::require(fewstep::decode_png(fewstep::encode_png(picture)) == picture, "PNG loses something");
}

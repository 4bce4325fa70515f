// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fewstep/core/error.hpp>
#include <fewstep/image/jpeg.hpp>
#include <fewstep/image/png.hpp>
#include <fewstep/image/rgb.hpp>
#include <fewstep/io/file.hpp>

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <stdexcept>
#include <vector>

namespace fewstep {

/// Reads a picture file, PNG or JPEG as its first bytes say. The errors name the file: std::system_error if it cannot
/// be read, std::runtime_error if it is no whole picture.
[[nodiscard]] inline rgb_image load_picture(const std::filesystem::path& path, picture_limits limits = {}) {
  const std::vector<std::byte> file = read_file(path);
  const auto begins = [&](unsigned first, unsigned second) {
    return file.size() >= 2 && file[0] == static_cast<std::byte>(first) && file[1] == static_cast<std::byte>(second);
  };
  if (begins(0x89, 'P')) return decode_png(file, path.string(), limits);
  if (!begins(0xff, 0xd8))
    throw std::runtime_error(message(path.string(), ": is neither a PNG nor a JPEG file; convert it to one of them"));
  try {
    return jpeg_decode({reinterpret_cast<const unsigned char*>(file.data()), file.size()}, limits);
  } catch (const std::runtime_error& error) {
    throw std::runtime_error(message(path.string(), ": ", error.what()));
  }
}

}  // namespace fewstep

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fewstep/io/safetensors.hpp>

#include <cstdio>
#include <filesystem>

namespace text_to_emoji {

/// The file of a model; says so where it has no checksum.
[[nodiscard]] inline fewstep::safetensors_file open_weights(const std::filesystem::path& path) {
  auto file = fewstep::safetensors_file::load(path);
  if (!file.has_checksum())
    std::fprintf(stderr, "note: %s has no checksum, so damage to it can pass unseen; example_add_checksum adds one\n",
                 path.c_str());
  return file;
}

}  // namespace text_to_emoji

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fewstep/io/crc32c.hpp>
#include <fewstep/io/file.hpp>

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace fewstep {

/// The line of a safetensors file's metadata that has the checksum of all others and of the tensors. Files from
/// elsewhere have none, and other programs read past it.
inline constexpr std::string_view checksum_key = "fewstep.crc32c";

namespace detail {

/// CRC-32C over all metadata (but the checksum itself) and over all tensors with name, type and shape, as eight digits.
/// It is that of the content, whatever the order of the tensors and the spelling of the header.
template <class Tensors>
[[nodiscard]] std::string content_checksum(const Tensors& tensors) {
  std::uint32_t crc = 0;
  const auto add_text = [&](std::string_view text) {
    const std::uint64_t length = text.size();
    crc = crc32c(bytes_of(text), crc32c(std::as_bytes(std::span(&length, 1)), crc));
  };
  for (const auto& [key, value] : tensors.metadata())
    if (key != checksum_key) add_text(key), add_text(value);
  for (const auto& name : tensors.names()) {
    add_text(name);
    add_text(tensors.dtype(name));
    crc = crc32c(std::as_bytes(std::span(tensors.shape(name))), crc);
    crc = crc32c(tensors.bytes(name), crc);
  }
  std::string digits(8, '0');
  for (std::size_t i = 0; i < 8; ++i) digits[i] = "0123456789abcdef"[(crc >> (28 - 4 * i)) & 0xfu];
  return digits;
}

}  // namespace detail

}  // namespace fewstep

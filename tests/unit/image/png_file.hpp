// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace fewstep::test {

inline std::string big_endian(std::uint32_t value) {
  std::string bytes;
  for (int shift = 24; shift >= 0; shift -= 8) bytes += static_cast<char>(static_cast<unsigned char>(value >> shift));
  return bytes;
}

/// Length, type, data and CRC-32, bit by bit.
inline std::string png_chunk(const std::string& type, const std::string& data) {
  std::uint32_t crc = 0xffffffffu;
  for (const char c : type + data) {
    crc ^= static_cast<unsigned char>(c);
    for (int bit = 0; bit < 8; ++bit) crc = (crc >> 1) ^ (0xedb88320u & (0u - (crc & 1u)));
  }
  return big_endian(static_cast<std::uint32_t>(data.size())) + type + data + big_endian(~crc);
}

/// A PNG file of rows that are given with their filter bytes and stored without compression (less than 65536 bytes).
inline std::vector<std::byte> png_file(std::uint32_t height, std::uint32_t width, int depth, int colour_type,
                                       const std::string& rows) {
  const auto size = static_cast<std::uint32_t>(rows.size());
  std::uint32_t a = 1, b = 0;  // Adler-32
  for (const char c : rows) {
    a = (a + static_cast<unsigned char>(c)) % 65521;
    b = (b + a) % 65521;
  }
  std::string stream = "\x78\x01\x01";
  for (const std::uint32_t word : {size, ~size})
    for (const int shift : {0, 8}) stream += static_cast<char>(static_cast<unsigned char>(word >> shift));
  stream += rows + big_endian(b << 16 | a);
  const std::string head = big_endian(width) + big_endian(height) + static_cast<char>(depth) +
                           static_cast<char>(colour_type) + std::string(3, '\0');
  const std::string file =
      "\x89PNG\r\n\x1a\n" + png_chunk("IHDR", head) + png_chunk("IDAT", stream) + png_chunk("IEND", "");
  std::vector<std::byte> bytes;
  for (const char c : file) bytes.push_back(static_cast<std::byte>(c));
  return bytes;
}

}  // namespace fewstep::test

// SPDX-License-Identifier: Apache-2.0
#include <fewstep/io/crc32c.hpp>

#include <fewstep/io/file.hpp>

#include "test.hpp"

#include <string>

namespace {

/// Bit by bit from the definition.
std::uint32_t slow_crc32c(const std::string& text) {
  std::uint32_t crc = 0xffffffffu;
  for (const char c : text) {
    crc ^= static_cast<unsigned char>(c);
    for (int bit = 0; bit < 8; ++bit) crc = (crc >> 1) ^ (0x82f63b78u & (0u - (crc & 1u)));
  }
  return ~crc;
}

}  // namespace

TEST_CASE("crc32c: published vectors", "[io]") {
  const auto of = [](const std::string& text) { return fewstep::crc32c(fewstep::detail::bytes_of(text)); };
  CHECK(of("123456789") == 0xe3069283u);
  CHECK(of("") == 0);
  // RFC 3720, appendix B.4
  CHECK(of(std::string(32, '\0')) == 0x8a9136aau);
  CHECK(of(std::string(32, '\xff')) == 0x62a8ab43u);
  std::string rising;
  for (int i = 0; i < 32; ++i) rising += static_cast<char>(i);
  CHECK(of(rising) == 0x46dd794eu);
}

TEST_CASE("crc32c: any length and any split equals the definition", "[io]") {
  std::string text;
  for (int i = 0; i < 70; ++i) {
    CHECK(fewstep::crc32c(fewstep::detail::bytes_of(text)) == slow_crc32c(text));
    for (std::size_t cut = 0; cut <= text.size(); cut += 3) {
      const auto front = fewstep::crc32c(fewstep::detail::bytes_of(std::string_view(text).substr(0, cut)));
      const auto whole = fewstep::crc32c(fewstep::detail::bytes_of(std::string_view(text).substr(cut)), front);
      CHECK(whole == slow_crc32c(text));
    }
    text += static_cast<char>(i * 37 + 11);
  }
}

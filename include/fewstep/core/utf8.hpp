// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fewstep/core/error.hpp>

#include <cstddef>
#include <source_location>
#include <string_view>

namespace fewstep {

/// Whether a text is UTF-8 as RFC 3629 has it: every character in its shortest form, no surrogate, none above U+10FFFF.
[[nodiscard]] constexpr bool is_utf8(std::string_view text) {
  for (std::size_t i = 0; i < text.size();) {
    const auto byte = [&](std::size_t at) -> unsigned {
      return at < text.size() ? static_cast<unsigned char>(text[at]) : 0u;
    };
    const unsigned first = byte(i), second = byte(i + 1);
    std::size_t length = 1;
    if (first >= 0x80) {
      length = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2;
      // The second byte's range says what its first two bits cannot: 80 to bf but for four leading bytes.
      const unsigned low = first == 0xe0 ? 0xa0 : first == 0xf0 ? 0x90 : 0x80;
      const unsigned high = first == 0xed ? 0x9f : first == 0xf4 ? 0x8f : 0xbf;
      if (first < 0xc2 || first > 0xf4 || second < low || second > high) return false;
      for (std::size_t k = 2; k < length; ++k)
        if ((byte(i + k) & 0xc0) != 0x80) return false;
    }
    i += length;
  }
  return true;
}

/// Throws std::invalid_argument unless the text is UTF-8: for what other programs read, which refuse the whole file.
/// `subject` names the text in the error.
inline void require_utf8(std::string_view text, std::string_view subject,
                         std::source_location where = std::source_location::current()) {
  expects(
      is_utf8(text), [&] { return message(subject, " '", text.substr(0, 80), "' is not UTF-8; convert it first"); },
      where);
}

}  // namespace fewstep

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fewstep/core/error.hpp>
#include <fewstep/core/utf8.hpp>

#include <filesystem>
#include <fstream>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace fewstep {

/// The lines of a text file in UTF-8, without their ends (\n or \r\n) and without byte order marks, which editors put
/// before the first line, and which stand before later ones where files were joined.
///
/// Throws std::runtime_error naming the file, with `expected` as what to give, if it cannot be read, is in UTF-16 or
/// UTF-32, as its byte order mark says, or has a line that is not UTF-8.
[[nodiscard]] inline std::vector<std::string> text_lines(const std::filesystem::path& path, std::string_view expected) {
  using std::string_view_literals::operator""sv;
  std::ifstream file(path, std::ios::binary);
  if (!file) throw std::runtime_error(message(path.string(), ": cannot be opened; give ", expected));
  std::vector<std::string> lines;
  for (std::string line; std::getline(file, line);) {
    if (lines.empty())
      for (const auto mark : {"\xFF\xFE"sv, "\xFE\xFF"sv, "\0\0\xFE\xFF"sv})
        if (line.starts_with(mark))
          throw std::runtime_error(message(path.string(),
                                           ": is in UTF-16 or UTF-32, as its byte order mark says; save "
                                           "it as UTF-8"));
    if (line.starts_with("\xEF\xBB\xBF")) line.erase(0, 3);
    if (line.ends_with('\r')) line.pop_back();
    if (!is_utf8(line))
      throw std::runtime_error(message(path.string(), ":", lines.size() + 1, ": is not UTF-8; save the file as UTF-8"));
    lines.push_back(std::move(line));
  }
  if (file.bad() || std::filesystem::is_directory(path))
    throw std::runtime_error(message(path.string(), ": cannot be read; give ", expected));
  return lines;
}

}  // namespace fewstep

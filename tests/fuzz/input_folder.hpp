// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <span>
#include <stdexcept>
#include <string>

namespace fewstep::fuzz {

/// A folder in memory where there is one, for loaders that take the path of a file; removed when the process exits.
class input_folder {
 public:
  input_folder() {
    const bool in_memory = std::filesystem::is_directory("/dev/shm");
    auto pattern = ((in_memory ? "/dev/shm" : std::filesystem::temp_directory_path()) / "fewstep-fuzz-XXXXXX").string();
    if (::mkdtemp(pattern.data()) == nullptr) throw std::runtime_error("mkdtemp failed for " + pattern);
    path_ = pattern;
  }
  input_folder(const input_folder&) = delete;
  input_folder& operator=(const input_folder&) = delete;
  ~input_folder() { std::filesystem::remove_all(path_); }

  /// The path of a file of this name that holds the bytes.
  std::filesystem::path put(const std::string& name, std::span<const std::byte> bytes) const {
    const auto path = path_ / name;
    std::FILE* file = std::fopen(path.c_str(), "wb");
    if (file == nullptr || std::fwrite(bytes.data(), 1, bytes.size(), file) != bytes.size() || std::fclose(file) != 0)
      std::abort();
    return path;
  }

  [[nodiscard]] const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

/// For properties that hold for every input: a false one is a finding.
inline void require(bool condition, const char* sentence) {
  if (condition) return;
  std::fprintf(stderr, "fuzz: %s\n", sentence);
  std::abort();
}

}  // namespace fewstep::fuzz

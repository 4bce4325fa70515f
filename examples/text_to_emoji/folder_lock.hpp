// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fewstep/io/file.hpp>

#include <filesystem>

namespace text_to_emoji {

/// Keeps all but one run from writing to the same place: a file that is locked (flock) as long as this lives, and
/// removed then. The death of the process releases the lock, too. Where the file system knows no locks, nothing is
/// kept.
class write_lock {
 public:
  /// Throws std::runtime_error naming `place` and the process that holds the lock, with `remedy`.
  write_lock(std::filesystem::path file, const std::filesystem::path& place, const char* remedy);
  write_lock(const write_lock&) = delete;
  write_lock& operator=(const write_lock&) = delete;
  ~write_lock();

 private:
  std::filesystem::path file_;
  fewstep::detail::file_descriptor lock_;
};

/// For a folder that is there.
class folder_lock : public write_lock {
 public:
  explicit folder_lock(const std::filesystem::path& folder)
      : write_lock(folder / ".lock", folder, "wait for it, or name another folder by --output") {}
};

}  // namespace text_to_emoji

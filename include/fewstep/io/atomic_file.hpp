// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fewstep/core/error.hpp>
#include <fewstep/io/file.hpp>

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>

namespace fewstep {

namespace detail {

inline constexpr std::string_view temporary_mark = ".fewstep-tmp.";

/// Whether a file name has the form <target>.fewstep-tmp.<process>.<number>; the target may be missing.
[[nodiscard]] inline bool is_temporary_name(std::string_view name) {
  const auto mark = name.rfind(temporary_mark);
  if (mark == std::string_view::npos) return false;
  const auto tail = name.substr(mark + temporary_mark.size());
  const auto dot = tail.find('.');
  return dot != std::string_view::npos && dot > 0 && dot + 1 < tail.size() &&
         tail.find_first_not_of("0123456789.") == std::string_view::npos && tail.find('.', dot + 1) == tail.npos;
}

/// File systems that cannot synchronise say EINVAL or ENOTSUP; that is not a failure of the write.
[[nodiscard]] inline bool synchronise(int fd) {
  return ::fsync(fd) == 0 || errno == EINVAL || errno == ENOTSUP || errno == EROFS;
}

/// Where a write to this path goes: symbolic links followed, also one to a file that is not there yet.
[[nodiscard]] inline std::filesystem::path followed(const std::filesystem::path& path) {
  constexpr int most_links = 40;  // as the system has it
  std::error_code error;
  auto place = path;
  for (int links = 0; std::filesystem::is_symlink(place, error); ++links) {
    if (links == most_links) throw_io_error(ELOOP, message("cannot write '", path.string(), "'"));
    place = place.parent_path() / std::filesystem::read_symlink(place);
  }
  return place;
}

/// A new, locked file beside a target, which the caller renames or unlinks.
struct temporary_file {
  std::filesystem::path path;
  file_descriptor file;

  /// Throws std::system_error with this sentence and the reason.
  [[nodiscard]] static temporary_file beside(const std::filesystem::path& target, const std::string& sentence) {
    static std::atomic<std::uint64_t> next{0};
    // A long name would make one that is too long for the file system; it is left out whole, as a part might end
    // inside a character.
    constexpr std::size_t most_of_name = 100;
    auto name = target.filename().string();
    if (name.size() > most_of_name) name.clear();
    name += std::string(temporary_mark) + std::to_string(::getpid()) + ".";
    for (;;) {
      temporary_file made{target.parent_path() / (name + std::to_string(next++)), {}};
      made.file = file_descriptor(::open(made.path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666));
      if (!made.file && errno == EEXIST) continue;
      if (!made.file) throw_io_error(errno, sentence);
      while (::flock(made.file.get(), LOCK_EX) != 0 && errno == EINTR) {
      }
      // Another process may have removed it between its creation and its lock: then the next name.
      struct ::stat status {};
      if (::fstat(made.file.get(), &status) != 0 || status.st_nlink > 0) return made;
    }
  }
};

/// A new file without a name in a directory: whenever the process ends, nothing of it stays.
[[nodiscard]] inline file_descriptor unnamed_file(const std::filesystem::path& directory) {
#ifdef O_TMPFILE
  file_descriptor file(::open(directory.c_str(), O_TMPFILE | O_WRONLY | O_CLOEXEC, 0600));
  if (file) return file;
#endif
  // A system or file system without such files; a leftover of this moment is removed as any other temporary.
  auto named = temporary_file::beside(directory / "", message("cannot create a file in '", directory.string(), "'"));
  ::unlink(named.path.c_str());
  return std::move(named.file);
}

}  // namespace detail

/// Writes a file aside and puts it into place in one step: after commit() the target is the new file, complete and on
/// the disk; without commit(), after any failure and after a kill at any moment, it is the old one, untouched.
///
/// The temporary lies beside the target under a name of its own and is removed when anything fails. While it is written
/// it is locked (flock), so that `remove_stale_temporaries` can tell the leftovers of killed processes from live ones.
/// An existing target keeps its permissions; a symbolic link is followed, also one to a file that is not there yet.
/// POSIX only.
///
/// Errors: std::system_error that names the path, the bytes written so far and the system's reason.
class atomic_file {
 public:
  explicit atomic_file(const std::filesystem::path& target) : target_(target) {
    struct ::stat old {};
    const bool replaces = ::stat(target_.c_str(), &old) == 0;
    if (replaces && !S_ISREG(old.st_mode))
      throw std::runtime_error(message("cannot write '", target_.string(), "': it exists and is not a regular file"));
    target_ = detail::followed(target);
    auto made =
        detail::temporary_file::beside(target_, message("cannot create a file beside '", target_.string(), "'"));
    temporary_ = std::move(made.path);
    file_ = std::move(made.file);
    if (replaces && ::fchmod(file_.get(), old.st_mode & 07777) != 0) fail("keep the permissions of");
  }

  atomic_file(const atomic_file&) = delete;
  atomic_file& operator=(const atomic_file&) = delete;
  ~atomic_file() { discard(); }

  /// Appends to the temporary. After an exception the temporary is gone and only destruction is allowed.
  void write(std::span<const std::byte> bytes) {
    expects(static_cast<bool>(file_), "atomic_file: write() after commit() or after a failure; make a new atomic_file");
    const auto count = detail::write_fully(file_.get(), bytes);
    written_ += count;
    if (count < bytes.size()) fail("write", bytes.size() - count);
  }
  void write(std::string_view text) { write(detail::bytes_of(text)); }

  /// Waits until the bytes are on the disk and renames the temporary to the target.
  void commit() {
    expects(static_cast<bool>(file_),
            "atomic_file: commit() after commit() or after a failure; make a new atomic_file");
    if (!detail::synchronise(file_.get())) fail("write to disk");
    // Renamed before it is closed: closing drops the lock, and an unlocked temporary counts as a leftover.
    if (std::rename(temporary_.c_str(), target_.c_str()) != 0) fail("rename the finished file to");
    temporary_.clear();
    if (!file_.close()) fail("close");
    synchronise_directory();
  }

  /// Bytes written so far.
  [[nodiscard]] std::uint64_t written() const { return written_; }

 private:
  [[noreturn]] void fail(std::string_view deed, std::size_t missing = 0) {
    const int code = errno;
    discard();
    detail::throw_io_error(code, missing > 0
                                     ? message("cannot ", deed, " '", target_.string(), "' after ", written_,
                                               " bytes (", missing, " more to come)")
                                     : message("cannot ", deed, " '", target_.string(), "' (", written_, " bytes)"));
  }

  void discard() noexcept {
    if (!temporary_.empty()) ::unlink(temporary_.c_str());
    temporary_.clear();
    (void)file_.close();
  }

  void synchronise_directory() const {
    const auto parent = target_.has_parent_path() ? target_.parent_path() : std::filesystem::path(".");
    const detail::file_descriptor directory(::open(parent.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (directory && !detail::synchronise(directory.get()))
      detail::throw_io_error(errno, message("'", target_.string(), "' is in place (", written_,
                                            " bytes), but its directory could not be written to disk"));
  }

  std::filesystem::path target_;
  std::filesystem::path temporary_;
  detail::file_descriptor file_;
  std::uint64_t written_ = 0;
};

/// Replaces the file by these bytes, whole or not at all; see atomic_file.
inline void write_atomically(const std::filesystem::path& path, std::span<const std::byte> bytes) {
  atomic_file file(path);
  file.write(bytes);
  file.commit();
}
inline void write_atomically(const std::filesystem::path& path, std::string_view text) {
  write_atomically(path, detail::bytes_of(text));
}

/// Removes what killed processes left of unfinished files in this directory; temporaries being written are locked and
/// stay. Returns how many were removed. Never throws for files that it cannot remove.
inline int remove_stale_temporaries(const std::filesystem::path& directory) {
  int removed = 0;
  std::error_code ignored;
  for (const auto& entry : std::filesystem::directory_iterator(directory, ignored)) {
    if (!detail::is_temporary_name(entry.path().filename().string())) continue;
    const detail::file_descriptor file(::open(entry.path().c_str(), O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK));
    if (!file || ::flock(file.get(), LOCK_EX | LOCK_NB) != 0) continue;
    struct ::stat by_file {};
    struct ::stat by_name {};
    const bool same = ::fstat(file.get(), &by_file) == 0 && ::lstat(entry.path().c_str(), &by_name) == 0 &&
                      S_ISREG(by_name.st_mode) && by_file.st_ino == by_name.st_ino && by_file.st_dev == by_name.st_dev;
    if (same && ::unlink(entry.path().c_str()) == 0) ++removed;
  }
  return removed;
}

/// Makes the directory if it is missing and proves that a file can be written in it; call it before a long run, not
/// after. Leftovers of killed processes are removed. Throws std::system_error with path and reason otherwise.
inline void require_writable_directory(const std::filesystem::path& directory) {
  std::error_code error;
  std::filesystem::create_directories(directory, error);
  if (error) throw std::system_error(error, message("cannot make the directory '", directory.string(), "'"));
  remove_stale_temporaries(directory);
  const auto probe = detail::unnamed_file(directory);
  const std::string text(4096, '\n');
  if (detail::write_fully(probe.get(), detail::bytes_of(text)) < text.size() || !detail::synchronise(probe.get()))
    detail::throw_io_error(errno, message("cannot write a file in the directory '", directory.string(), "'"));
}

}  // namespace fewstep

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fewstep/core/error.hpp>
#include <fewstep/io/file.hpp>

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <system_error>

namespace fewstep {

namespace detail {

inline constexpr std::string_view temporary_mark = ".fewstep-tmp.";

/// Whether a file name has the form <target>.fewstep-tmp.<process>.<number>.
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

}  // namespace detail

/// Writes a file aside and puts it into place in one step: after commit() the target is the new file, complete and on
/// the disk; without commit(), after any failure and after a kill at any moment, it is the old one, untouched.
///
/// The temporary lies beside the target under a name of its own and is removed when anything fails. While it is written
/// it is locked (flock), so that `remove_stale_temporaries` can tell the leftovers of killed processes from live ones.
/// An existing target keeps its permissions; a symbolic link is followed. POSIX only.
///
/// Errors: std::system_error that names the path, the bytes written so far and the system's reason.
class atomic_file {
 public:
  explicit atomic_file(const std::filesystem::path& target) : target_(target) {
    std::error_code ignored;
    if (std::filesystem::is_symlink(target_, ignored)) target_ = std::filesystem::weakly_canonical(target_);
    struct ::stat old {};
    const bool replaces = ::stat(target_.c_str(), &old) == 0;
    if (replaces && !S_ISREG(old.st_mode))
      throw std::runtime_error(message("cannot write '", target_.string(), "': it exists and is not a regular file"));
    while (!create_temporary()) {
    }
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
  /// False if another process removed the temporary between its creation and its lock: try the next name.
  bool create_temporary() {
    static std::atomic<std::uint64_t> next{0};
    temporary_ = target_;
    temporary_ += std::string(detail::temporary_mark) + std::to_string(::getpid()) + "." + std::to_string(next++);
    file_ = detail::file_descriptor(::open(temporary_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666));
    if (!file_) {
      const int code = errno;
      temporary_.clear();
      if (code == EEXIST) return false;
      detail::throw_io_error(code, message("cannot create a file beside '", target_.string(), "'"));
    }
    while (::flock(file_.get(), LOCK_EX) != 0 && errno == EINTR) {
    }
    struct ::stat status {};
    return ::fstat(file_.get(), &status) != 0 || status.st_nlink > 0;
  }

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
  const auto probe = directory / (".writable-" + std::to_string(::getpid()));
  write_atomically(probe, detail::bytes_of(std::string(4096, '\n')));
  std::filesystem::remove(probe, error);
}

}  // namespace fewstep

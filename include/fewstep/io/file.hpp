// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fewstep/core/error.hpp>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <filesystem>
#include <span>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

namespace fewstep {

namespace detail {

/// Owns a POSIX file descriptor; -1 is none, and errno then says why. It is never 0 to 2: where a program was started
/// with a standard stream closed, what is printed would else go into the file that got its number.
class file_descriptor {
 public:
  file_descriptor() = default;
  explicit file_descriptor(int fd) : fd_(fd < 0 || fd > STDERR_FILENO ? fd : moved_above(fd)) {}
  file_descriptor(file_descriptor&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  file_descriptor& operator=(file_descriptor&& other) noexcept {
    if (this != &other) {
      (void)close();
      fd_ = std::exchange(other.fd_, -1);
    }
    return *this;
  }
  ~file_descriptor() { (void)close(); }

  [[nodiscard]] int get() const { return fd_; }
  explicit operator bool() const { return fd_ >= 0; }

  /// False if the system reports an error at closing (a network file system may find the disk full only here).
  [[nodiscard]] bool close() { return fd_ < 0 || ::close(std::exchange(fd_, -1)) == 0; }

 private:
  [[nodiscard]] static int moved_above(int fd) {
    const int moved = ::fcntl(fd, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
    const int code = errno;
    ::close(fd);
    errno = code;
    return moved;
  }

  int fd_ = -1;
};

/// Throws std::system_error whose text is the sentence followed by the system's reason.
[[noreturn]] inline void throw_io_error(int code, const std::string& sentence) {
  throw std::system_error(code, std::generic_category(), sentence);
}

/// Writes until everything is written or the system refuses. Returns the bytes written; errno says why if fewer.
[[nodiscard]] inline std::size_t write_fully(int fd, std::span<const std::byte> bytes) {
  std::size_t written = 0;
  while (written < bytes.size()) {
    const auto count = ::write(fd, bytes.data() + written, bytes.size() - written);
    if (count < 0 && errno == EINTR) continue;
    if (count == 0) errno = ENOSPC;
    if (count <= 0) break;
    written += static_cast<std::size_t>(count);
  }
  return written;
}

[[nodiscard]] inline std::span<const std::byte> bytes_of(std::string_view text) {
  return std::as_bytes(std::span(text.data(), text.size()));
}

}  // namespace detail

/// The whole content of a regular file.
/// Throws std::system_error (naming path and reason) if it is missing, is no regular file or cannot be read.
[[nodiscard]] inline std::vector<std::byte> read_file(const std::filesystem::path& path) {
  const auto fail = [&](int code) { detail::throw_io_error(code, message("cannot read '", path.string(), "'")); };
  const detail::file_descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (!file) fail(errno);
  struct ::stat status {};
  if (::fstat(file.get(), &status) != 0) fail(errno);
  if (S_ISDIR(status.st_mode)) fail(EISDIR);
  if (!S_ISREG(status.st_mode))
    throw std::runtime_error(message("cannot read '", path.string(), "': not a regular file"));

  std::vector<std::byte> bytes(static_cast<std::size_t>(status.st_size));
  std::size_t filled = 0;
  while (filled < bytes.size()) {
    const auto count = ::read(file.get(), bytes.data() + filled, bytes.size() - filled);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) fail(errno);
    if (count == 0)
      throw std::runtime_error(message("cannot read '", path.string(), "': it ended after ", filled, " of ",
                                       bytes.size(), " bytes; something shortened it meanwhile"));
    filled += static_cast<std::size_t>(count);
  }
  return bytes;
}

}  // namespace fewstep

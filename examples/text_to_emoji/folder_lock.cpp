// SPDX-License-Identifier: Apache-2.0
#include "folder_lock.hpp"

#include <fewstep/core/error.hpp>

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <stdexcept>
#include <string>
#include <utility>

namespace text_to_emoji {

using fewstep::message;

write_lock::write_lock(std::filesystem::path file, const std::filesystem::path& place, const char* remedy)
    : file_(std::move(file)) {
  // Who has locked the file may find that its former owner has removed it meanwhile; then the next one counts.
  for (struct ::stat status{}; status.st_nlink == 0;) {
    lock_ = fewstep::detail::file_descriptor(::open(file_.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0666));
    if (!lock_) fewstep::detail::throw_io_error(errno, message("cannot make the lock '", file_.string(), "'"));
    if (::flock(lock_.get(), LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK) {
      std::array<char, 24> owner{};
      const auto count = ::pread(lock_.get(), owner.data(), owner.size() - 1, 0);
      throw std::runtime_error(message(place.string(), ": another run",
                                       count > 0 ? " (process " + std::string(owner.data()) + ")" : "",
                                       " is writing there; ", remedy));
    }
    if (::fstat(lock_.get(), &status) != 0) break;
  }
  const std::string owner = std::to_string(::getpid());
  if (::ftruncate(lock_.get(), 0) == 0) (void)::pwrite(lock_.get(), owner.data(), owner.size(), 0);
}

write_lock::~write_lock() { ::unlink(file_.c_str()); }

}  // namespace text_to_emoji

// SPDX-License-Identifier: Apache-2.0
#include <fewstep/io/file.hpp>

#include "support/temporary_directory.hpp"
#include "test.hpp"

#include <cstring>

TEST_CASE("read_file gives every byte of a file", "[io]") {
  const temporary_directory directory;
  std::string text;
  for (int i = 0; i < 100000; ++i) text += static_cast<char>(i % 251);
  put_text(directory / "a", text);
  const auto bytes = fewstep::read_file(directory / "a");
  REQUIRE(bytes.size() == text.size());
  CHECK(std::memcmp(bytes.data(), text.data(), text.size()) == 0);
  put_text(directory / "empty", "");
  CHECK(fewstep::read_file(directory / "empty").empty());
}

TEST_CASE("read_file names the path and the reason", "[io]") {
  const temporary_directory directory;
  CHECK_THROWS_WITH(fewstep::read_file(directory / "absent"), contains("absent") && contains("No such file"));
  CHECK_THROWS_WITH(fewstep::read_file(directory.path()), contains("Is a directory"));
  CHECK_THROWS_WITH(fewstep::read_file("/dev/zero"), contains("not a regular file"));
}

TEST_CASE("write_fully reports a full device", "[io]") {
  const fewstep::detail::file_descriptor full(::open("/dev/full", O_WRONLY));
  if (!full) return;
  errno = 0;
  CHECK(fewstep::detail::write_fully(full.get(), fewstep::detail::bytes_of("text")) == 0);
  CHECK(errno == ENOSPC);
}

TEST_CASE("a file never gets the number of a closed standard stream", "[io]") {
  // In a process of its own, which says by its exit status what it found; the test's own streams stay open.
  const ::pid_t child = ::fork();
  REQUIRE(child >= 0);
  if (child == 0) {
    for (const int fd : {0, 1, 2}) ::close(fd);
    const fewstep::detail::file_descriptor first(::open("/dev/null", O_WRONLY | O_CLOEXEC));
    fewstep::detail::file_descriptor second;
    second = fewstep::detail::file_descriptor(::open("/dev/null", O_WRONLY | O_CLOEXEC));
    const bool above = first.get() > 2 && second.get() > 2 && first.get() != second.get();
    const bool keeps = (::fcntl(first.get(), F_GETFD) & FD_CLOEXEC) != 0;
    const bool free = ::fcntl(0, F_GETFD) < 0 && ::fcntl(1, F_GETFD) < 0 && ::fcntl(2, F_GETFD) < 0;
    const bool none = !fewstep::detail::file_descriptor(::open("/no such folder/file", O_RDONLY)) && errno == ENOENT;
    ::_exit(above && keeps && free && none ? 0 : 1);
  }
  int status = -1;
  REQUIRE(::waitpid(child, &status, 0) == child);
  CHECK(WIFEXITED(status));
  CHECK(WEXITSTATUS(status) == 0);
}

// SPDX-License-Identifier: Apache-2.0
#include <fewstep/io/file.hpp>

#include "temporary_directory.hpp"
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

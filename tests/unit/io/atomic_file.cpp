// SPDX-License-Identifier: Apache-2.0
#include <fewstep/io/atomic_file.hpp>

#include "temporary_directory.hpp"
#include "test.hpp"

namespace fs = std::filesystem;

TEST_CASE("atomic_file puts the file into place at commit and leaves nothing else", "[io]") {
  const temporary_directory directory;
  const auto path = directory / "target";
  put_text(path, "old");
  {
    fewstep::atomic_file file(path);
    file.write("one ");
    file.write("two");
    CHECK(text_of(path) == "old");
    CHECK(file.written() == 7);
    file.commit();
    CHECK(text_of(path) == "one two");
    CHECK_THROWS_AS(file.write("three"), std::invalid_argument);
    CHECK_THROWS_AS(file.commit(), std::invalid_argument);
  }
  CHECK(text_of(path) == "one two");
  CHECK(directory.files() == 1);
}

TEST_CASE("atomic_file without commit changes nothing", "[io]") {
  const temporary_directory directory;
  put_text(directory / "target", "old");
  { fewstep::atomic_file(directory / "target").write("new"); }
  CHECK(text_of(directory / "target") == "old");
  CHECK(directory.files() == 1);
}

TEST_CASE("write_atomically keeps permissions and follows symbolic links", "[io]") {
  const temporary_directory directory;
  const auto path = directory / "target";
  put_text(path, "old");
  fs::permissions(path, fs::perms::owner_read | fs::perms::owner_write);
  fs::create_symlink("target", directory / "link");
  fewstep::write_atomically(directory / "link", "new");
  CHECK(text_of(path) == "new");
  CHECK(fs::is_symlink(directory / "link"));
  CHECK(fs::status(path).permissions() == (fs::perms::owner_read | fs::perms::owner_write));
}

TEST_CASE("write_atomically works with a bare file name", "[io]") {
  const temporary_directory directory;
  const auto before = fs::current_path();
  fs::current_path(directory.path());
  fewstep::write_atomically("bare", "text");
  fs::current_path(before);
  CHECK(text_of(directory / "bare") == "text");
}

TEST_CASE("a full disk leaves the old file and no temporary", "[io]") {
  const temporary_directory directory;
  const auto path = directory / "target";
  put_text(path, "old");
  const std::string large(100000, 'x');
  const auto what = error_on_full_disk(65536, [&] { fewstep::write_atomically(path, large); });
  CHECK_THAT(
      what, contains(path.string()) && contains("65536 bytes") && contains("34464 more") && contains("File too large"));
  CHECK(text_of(path) == "old");
  CHECK(directory.files() == 1);
}

TEST_CASE("atomic_file refuses targets that cannot be replaced", "[io]") {
  const temporary_directory directory;
  CHECK_THROWS_WITH(fewstep::write_atomically(directory.path(), "x"), contains("not a regular file"));
  CHECK_THROWS_WITH(fewstep::write_atomically("/dev/null", "x"), contains("not a regular file"));
  CHECK_THROWS_WITH(fewstep::write_atomically(directory / "absent/target", "x"),
                    contains("absent/target") && contains("No such file"));

  fewstep::atomic_file file(directory / "target");
  file.write("text");
  fs::create_directory(directory / "target");
  CHECK_THROWS_WITH(file.commit(), contains("rename") && contains("target") && contains("4 bytes"));
  CHECK(directory.files() == 1);
}

TEST_CASE("leftovers of killed processes are removed, live temporaries are not", "[io]") {
  const temporary_directory directory;
  const pid_t child = ::fork();
  if (child == 0) {
    fewstep::atomic_file file(directory / "target");
    file.write("half");
    ::kill(::getpid(), SIGKILL);
  }
  int status = 0;
  REQUIRE(::waitpid(child, &status, 0) == child);
  REQUIRE(WIFSIGNALED(status));
  REQUIRE(WTERMSIG(status) == SIGKILL);
  REQUIRE(directory.files() == 1);

  fewstep::atomic_file live(directory / "other");
  live.write("text");
  put_text(directory / "other.fewstep-tmp.notes", "kept");
  put_text(directory / "plain", "kept");
  CHECK(fewstep::remove_stale_temporaries(directory.path()) == 1);
  live.commit();
  CHECK(text_of(directory / "other") == "text");
  CHECK(directory.files() == 3);
}

TEST_CASE("a leftover with the very next name does not disturb", "[io]") {
  const temporary_directory directory;
  for (int number = 0; number < 1000; ++number)
    put_text(directory / ("target.fewstep-tmp." + std::to_string(::getpid()) + "." + std::to_string(number)), "stale");
  fewstep::write_atomically(directory / "target", "new");
  CHECK(text_of(directory / "target") == "new");
}

TEST_CASE("require_writable_directory makes the directory and proves it", "[io]") {
  const temporary_directory directory;
  CHECK_NOTHROW(fewstep::require_writable_directory(directory / "a/b"));
  CHECK(fs::is_directory(directory / "a/b"));
  CHECK(fs::is_empty(directory / "a/b"));
  CHECK_NOTHROW(fewstep::require_writable_directory(directory / "a/b"));

  put_text(directory / "file", "");
  CHECK_THROWS_WITH(fewstep::require_writable_directory(directory / "file"), contains("file"));
  CHECK_THROWS_WITH(fewstep::require_writable_directory(directory / "file/below"), contains("file/below"));
  const auto what = error_on_full_disk(1024, [&] { fewstep::require_writable_directory(directory / "a"); });
  CHECK_THAT(what, contains("File too large"));
}

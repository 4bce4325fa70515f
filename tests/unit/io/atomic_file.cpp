// SPDX-License-Identifier: Apache-2.0
#include <fewstep/io/atomic_file.hpp>

#include "support/temporary_directory.hpp"
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

TEST_CASE("write_atomically follows a symbolic link to a file that is not there yet", "[io]") {
  const temporary_directory directory;
  fs::create_directory(directory / "below");
  fs::create_symlink("below/second", directory / "first");
  fs::create_symlink("../target", directory / "below/second");
  const auto before = fs::current_path();
  fewstep::write_atomically(directory / "first", "new");
  CHECK(text_of(directory / "target") == "new");
  fs::remove(directory / "target");
  fs::current_path(directory.path());
  fewstep::write_atomically("first", "again");
  fs::current_path(before);
  CHECK(text_of(directory / "target") == "again");
  CHECK(fs::is_symlink(directory / "first"));
  CHECK(fs::is_symlink(directory / "below/second"));
  CHECK(directory.files() == 3);

  fs::create_symlink(directory / "absent/target", directory / "lost");
  CHECK_THROWS_WITH(fewstep::write_atomically(directory / "lost", "x"),
                    contains("absent/target") && contains("No such file"));
  fs::create_symlink("circle", directory / "circle");
  CHECK_THROWS_WITH(fewstep::write_atomically(directory / "circle", "x"), contains("circle") && contains("symbolic"));
  CHECK(fs::is_symlink(directory / "lost"));
}

TEST_CASE("write_atomically takes a name as long as the file system allows", "[io]") {
  const temporary_directory directory;
  for (const std::size_t length : {1u, 100u, 101u, 239u, 255u}) {
    CAPTURE(length);
    const std::string name(length, 'n');
    fewstep::write_atomically(directory / name, "old");
    fewstep::write_atomically(directory / name, "new");
    CHECK(text_of(directory / name) == "new");
  }
  CHECK(directory.files() == 5);
  CHECK_THROWS_WITH(fewstep::write_atomically(directory / std::string(256, 'n'), "x"), contains("too long"));
  CHECK(directory.files() == 5);
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
  put_text(directory / ".fewstep-tmp.1.2", "of a target with a long name");
  put_text(directory / "plain", "kept");
  CHECK(fewstep::remove_stale_temporaries(directory.path()) == 2);
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

TEST_CASE("require_writable_directory leaves nothing whenever the process is killed", "[io]") {
  const temporary_directory directory;
  const int unnamed = ::open(directory.path().c_str(), O_TMPFILE | O_WRONLY, 0600);
  const bool has_unnamed_files = unnamed >= 0;  // else what is left is removed by the next call
  if (has_unnamed_files) ::close(unnamed);
  int made = 0;
  for (int kill = 0; kill < 100; ++kill) {
    const pid_t child = ::fork();
    if (child == 0)
      for (;;) fewstep::require_writable_directory(directory.path());
    ::usleep(static_cast<useconds_t>(500 + 37 * kill));
    ::kill(child, SIGKILL);
    int status = 0;
    REQUIRE(::waitpid(child, &status, 0) == child);
    made += directory.files() > 0;
    fewstep::require_writable_directory(directory.path());
    REQUIRE(directory.files() == 0);
  }
  if (has_unnamed_files) CHECK(made == 0);
}

TEST_CASE("a file that is only written has no name where its directory can hold such files", "[io]") {
  const temporary_directory directory;
  const auto file = fewstep::detail::unnamed_file(directory.path());
  CHECK(file);
  CHECK(directory.files() == 0);
  CHECK_THROWS_WITH(fewstep::detail::unnamed_file(directory / "absent"),
                    contains("absent") && contains("No such file"));
}

// SPDX-License-Identifier: Apache-2.0
#include <fewstep/process/child_process.hpp>

#include "support/processes.hpp"
#include "support/temporary_directory.hpp"
#include "support/test_seed.hpp"
#include "test.hpp"

#include <csignal>
#include <optional>
#include <random>

using fewstep::child_process;
using fewstep::child_process_error;
using fewstep::time_limit;
using fewstep::test::id_in;
using fewstep::test::is_running;
using fewstep::test::is_soon_dead;
using fewstep::test::shell;

namespace {

constexpr double patience = 60;  ///< seconds, for what is expected to come

std::size_t open_files() {
  const std::filesystem::directory_iterator files("/proc/self/fd");
  return static_cast<std::size_t>(std::distance(begin(files), end(files)));
}

std::vector<std::byte> random_bytes(std::size_t count, unsigned seed) {
  std::mt19937 random(seed);
  std::vector<std::byte> bytes(count);
  for (std::byte& byte : bytes) byte = static_cast<std::byte>(random());
  return bytes;
}

}  // namespace

TEST_CASE("a child reads and writes lines and bytes", "[io]") {
  child_process child(shell("read -r first; echo \"got $first\"; head -c 5; echo; echo rest; exec cat"));
  const time_limit limit(patience);
  child.write("a line\nbytes", limit);
  CHECK(child.read_line(limit) == "got a line");
  CHECK(child.read_line(limit) == "bytes");
  CHECK(child.read_line(limit) == "rest");
  CHECK(child.unread() == 0);
  child.write("\nx\nyz", limit);
  CHECK(child.read_line(limit).empty());
  CHECK(child.read_line(limit) == "x");
  std::string bytes(2, ' ');
  child.read(std::as_writable_bytes(std::span(bytes)), limit);
  CHECK(bytes == "yz");
}

TEST_CASE("a child gets its arguments as they are", "[io]") {
  const std::string odd = "two words, 'quotes' and $HOME";
  child_process child({"printf", "%s\\n", odd, ""});
  CHECK(child.name() == "printf %s\\n " + odd + " ");
  CHECK(child.read_line(time_limit(patience)) == odd);
  CHECK(child.read_line(time_limit(patience)).empty());
}

TEST_CASE("a child that answers while it is written to blocks nobody", "[io]") {
  const auto seed = fewstep::test::test_seed(5);
  CAPTURE(seed);
  const auto sent = random_bytes(20'000'000, seed);
  child_process child({"cat"});
  const time_limit limit(patience);
  child.write(sent, limit);
  std::vector<std::byte> received(sent.size());
  child.read(received, limit);
  CHECK(received == sent);
  CHECK(child.unread() == 0);
}

TEST_CASE("a child that is slow to read gets everything", "[io]") {
  child_process child(shell("sleep 0.2; head -c 3000000 | wc -c"));
  const time_limit limit(patience);
  child.write(random_bytes(3'000'000, 1), limit);
  CHECK(child.read_line(limit) == "3000000");
}

TEST_CASE("how a child failed is said", "[io]") {
  const auto last_words = [](const std::string& script, double seconds = patience) {
    child_process child(shell(script));
    try {
      return child.read_line(time_limit(seconds)) + " was read";
    } catch (const child_process_error& error) {
      return std::string(error.what());
    }
  };
  CHECK(last_words("exit 3") == "'/bin/sh -c exit 3' exited with status 3");
  CHECK(last_words("printf half") == "'/bin/sh -c printf half' exited with status 0");
  CHECK_THAT(last_words("kill -SEGV $$"), contains("was killed by signal 11 (Segmentation fault)"));
  CHECK_THAT(last_words("exec >&-; exec sleep 100"), contains("closed its output"));
  CHECK_THAT(last_words("exec sleep 100", 0.1), contains("sleep 100' gave no answer within 0.1 s"));
  CHECK_THAT(last_words("sleep 100 & exit 4", 0.5), contains("exited with status 4"));  // sleep holds the output open
  CHECK_THAT(last_words("tr '\\0' x < /dev/zero"), contains("wrote more than 64 MB that were not asked for"));
  CHECK(last_words("printf 'whole\\nhalf'") == "whole was read");
}

TEST_CASE("how a child failed is said to who writes to it", "[io]") {
  const std::vector<std::byte> much(3'000'000);
  const auto last_words = [&](const std::string& script, double seconds = patience) {
    child_process child(shell(script));
    try {
      for (int round = 0; round < 100; ++round) child.write(much, time_limit(seconds));
      return std::string("all was written");
    } catch (const child_process_error& error) {
      return std::string(error.what());
    }
  };
  CHECK_THAT(last_words("exit 5"), contains("exited with status 5"));
  CHECK_THAT(last_words("head -c 1000000 > /dev/null; kill -9 $$"), contains("was killed by signal 9 (Killed)"));
  CHECK_THAT(last_words("exec <&-; exec sleep 100"), contains("closed its input"));
  CHECK_THAT(last_words("exec sleep 100", 0.1), contains("gave no answer within 0.1 s"));
  CHECK_THAT(last_words("exec yes"), contains("wrote more than 64 MB"));
}

TEST_CASE("after an error the child is dead, and is not spoken to", "[io]") {
  child_process child(shell("exec sleep 100"));
  const auto id = child.id();
  CHECK(is_running(id));
  CHECK_THROWS_AS(child.read_line(time_limit(0.05)), fewstep::child_timeout_error);
  CHECK_FALSE(is_running(id));
  CHECK(::kill(id, 0) != 0);  // not even a zombie is left
  CHECK_THROWS_WITH(child.write("more", time_limit(patience)), contains("sleep 100' has ended; start a new one"));
}

TEST_CASE("a program that does not exist cannot be started", "[io]") {
  CHECK_THROWS_AS(child_process({"no-such-program"}), fewstep::child_start_error);
  CHECK_THROWS_WITH(child_process({"no-such-program", "--now"}),
                    contains("cannot start 'no-such-program --now': No such file or directory"));
  CHECK_THROWS_WITH(child_process({"/"}), contains("cannot start '/': Permission denied"));
  CHECK_THROWS_WITH(child_process({}), contains("the command is empty"));
  CHECK_THROWS_WITH(time_limit(0), contains("0 seconds; use a finite number above 0"));
}

TEST_CASE("a child dies with all that it started when it is destroyed", "[io]") {
  const temporary_directory folder;
  const auto grandchild = folder / "grandchild";
  std::optional<child_process> child(shell("sleep 1000 & echo $! > '" + grandchild.string() + "'; exec sleep 1000"));
  const auto id = child->id();
  const auto second = id_in(grandchild);
  REQUIRE(is_running(id));
  REQUIRE(is_running(second));
  child.reset();
  CHECK(::kill(id, 0) != 0);
  CHECK(is_soon_dead(second));
}

TEST_CASE("a child moves", "[io]") {
  child_process one({"cat"}), two({"cat"});
  const time_limit limit(patience);
  const auto first = one.id(), second = two.id();
  one.write("a\nb\n", limit);
  CHECK(one.read_line(limit) == "a");
  child_process moved(std::move(one));
  CHECK(moved.id() == first);
  CHECK(moved.read_line(limit) == "b");
  two = std::move(moved);
  CHECK(two.id() == first);
  CHECK_FALSE(is_running(second));
  two.write("c\n", limit);
  CHECK(two.read_line(limit) == "c");
}

TEST_CASE("children leave no file open and inherit none", "[io]") {
  const auto seen_by_a_child = [] {
    child_process child(shell("for file in /proc/self/fd/*; do echo ${file##*/}; done; echo end"));
    const time_limit limit(patience);
    std::vector<std::string> files;
    while (files.empty() || files.back() != "end") files.push_back(child.read_line(limit));
    return files;
  };
  const std::size_t before = open_files();
  const auto seen = seen_by_a_child();
  CHECK(open_files() == before);
  child_process child({"cat"});
  const child_process other({"cat"});
  CHECK(seen_by_a_child() == seen);
  for (int round = 0; round < 20; ++round) {
    child = child_process({"cat"});
    CHECK_THROWS(child_process({"no-such-program"}));
  }
  CHECK(open_files() == before + 4);
}

TEST_CASE("a child starts with SIGPIPE as usual and no signal blocked, whatever this program does", "[io]") {
  ::sigset_t blocked, usual;
  sigemptyset(&blocked);
  sigaddset(&blocked, SIGTERM);
  REQUIRE(::pthread_sigmask(SIG_BLOCK, &blocked, &usual) == 0);
  const auto handler = std::signal(SIGPIPE, SIG_IGN);
  child_process child(shell("kill -PIPE $$; echo alive"));
  child_process other(shell("kill -TERM $$; echo alive"));
  std::signal(SIGPIPE, handler);
  ::pthread_sigmask(SIG_SETMASK, &usual, nullptr);
  CHECK_THROWS_WITH(child.read_line(time_limit(patience)), contains("signal 13"));
  CHECK_THROWS_WITH(other.read_line(time_limit(patience)), contains("signal 15"));
}

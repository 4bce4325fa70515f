// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fewstep/core/error.hpp>
#include <fewstep/io/file.hpp>
#include <fewstep/process/process_group.hpp>

#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cmath>
#include <csignal>
#include <cstddef>
#include <cstring>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

namespace fewstep {

/// Seconds from now within which something has to be done, by a clock that nobody sets.
class time_limit {
 public:
  explicit time_limit(double seconds) : seconds_(seconds) {
    expects(seconds > 0 && std::isfinite(seconds),
            [&] { return message("time_limit: ", seconds, " seconds; use a finite number above 0"); });
    constexpr double most = 1e9;  // beyond it the clock's integers would overflow
    end_ = clock::now() + std::chrono::ceil<clock::duration>(std::chrono::duration<double>(std::min(seconds, most)));
  }

  [[nodiscard]] double seconds() const { return seconds_; }
  /// Rounded up, at most an hour; 0 when the time is over.
  [[nodiscard]] int milliseconds_left() const {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(end_ - clock::now());
    return static_cast<int>(std::clamp<std::chrono::milliseconds::rep>(left.count(), 0, 3600 * 1000));
  }

 private:
  using clock = std::chrono::steady_clock;
  double seconds_;
  clock::time_point end_;
};

/// What became of a child process that did not do what was asked; the text names its command.
class child_process_error : public std::runtime_error {
  using std::runtime_error::runtime_error;
};
/// It could not be started, and will not be by trying again.
class child_start_error : public child_process_error {
  using child_process_error::child_process_error;
};
/// It still ran when the time was over, and was killed.
class child_timeout_error : public child_process_error {
  using child_process_error::child_process_error;
};

namespace detail {

[[nodiscard]] inline std::string start_failure(const std::string& command, int code) {
  return message("cannot start '", command, "': ", std::generic_category().message(code),
                 "; check the program's name, PATH and permissions");
}

[[nodiscard]] inline std::string joined(const std::vector<std::string>& command) {
  std::string text;
  for (const std::string& word : command) text += (text.empty() ? "" : " ") + word;
  return text;
}

}  // namespace detail

/// A program that runs beside this one and is spoken to over its standard input (a socket, which it cannot open by the
/// name /dev/stdin) and standard output; what it writes to standard error goes where this program's does.
///
/// The command is a program, looked up in PATH where its name has no slash, and its arguments; no shell reads it. The
/// child leads a process group of its own, so Ctrl-C at a terminal does not reach it, and destruction kills it with
/// all that it started (but what left the group). If this program is killed, the child reads the end of its input.
///
/// Neither side can block the other: while write waits for the child to read, it stores what the child answers.
///
/// Errors: child_process_error (child_start_error, child_timeout_error), after which the child is dead and only
/// destruction and assignment are allowed. One caller at a time. Linux, and other POSIX systems with pipe2 and
/// MSG_NOSIGNAL.
class child_process {
 public:
  explicit child_process(const std::vector<std::string>& command) : name_(detail::joined(command)) {
    expects(!command.empty() && !command.front().empty(),
            "child_process: the command is empty; give a program and its arguments");
    start(command);
  }

  /// The command as one text.
  [[nodiscard]] const std::string& name() const { return name_; }
  /// Number of the process and of its group.
  [[nodiscard]] ::pid_t id() const { return process_.id(); }
  /// Bytes that the child has written, that have come, and that nobody has read yet.
  [[nodiscard]] std::size_t unread() const { return unread_.size() - taken_; }

  /// Gives the child all bytes to read.
  void write(std::span<const std::byte> bytes, const time_limit& limit) {
    while (!bytes.empty()) {
      const auto [can_write, can_read] = wait(true, limit);
      if (can_read) collect();
      if (!can_write) continue;
      const auto count = ::send(input_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
      if (count >= 0)
        bytes = bytes.subspan(static_cast<std::size_t>(count));
      else if (errno != EINTR && errno != EAGAIN)
        fail("closed its input", stream_end);
    }
  }
  void write(std::string_view text, const time_limit& limit) { write(std::as_bytes(std::span(text)), limit); }

  /// Fills `bytes` with what the child writes.
  void read(std::span<std::byte> bytes, const time_limit& limit) {
    while (!bytes.empty()) {
      while (unread() == 0) wait_and_collect(limit);
      const std::size_t count = std::min(unread(), bytes.size());
      std::memcpy(bytes.data(), unread_.data() + taken_, count);
      taken_ += count;
      bytes = bytes.subspan(count);
    }
  }

  /// The next line, without its end.
  [[nodiscard]] std::string read_line(const time_limit& limit) {
    for (std::size_t searched = 0;;) {
      const auto end = unread_.find('\n', taken_ + searched);
      if (end != std::string::npos) {
        std::string line = unread_.substr(taken_, end - taken_);
        taken_ = end + 1;
        return line;
      }
      searched = unread();
      wait_and_collect(limit);
    }
  }

 private:
  static constexpr std::size_t most_unread = std::size_t{64} << 20;
  static constexpr std::chrono::milliseconds stream_end{300};  ///< patience: streams close a moment before a death

  struct readiness {
    bool can_write, can_read;
  };

  void start(const std::vector<std::string>& command) {
    const auto refuse = [&](int code) { throw child_start_error(detail::start_failure(name_, code)); };
    // A socket, as a pipe whose reader has died would kill this program by SIGPIPE.
    int ends[2];
    if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) refuse(errno);
    input_ = detail::file_descriptor(ends[0]);
    const detail::file_descriptor child_input(ends[1]);
    if (::pipe2(ends, O_CLOEXEC) != 0) refuse(errno);
    output_ = detail::file_descriptor(ends[0]);
    const detail::file_descriptor child_output(ends[1]);

    detail::start_plan plan;
    ::posix_spawn_file_actions_adddup2(&plan.files, child_input.get(), STDIN_FILENO);
    ::posix_spawn_file_actions_adddup2(&plan.files, child_output.get(), STDOUT_FILENO);
    ::sigset_t signals;
    sigemptyset(&signals);
    ::posix_spawnattr_setsigmask(&plan.attributes, &signals);
    sigaddset(&signals, SIGPIPE);
    ::posix_spawnattr_setsigdefault(&plan.attributes, &signals);
    ::posix_spawnattr_setpgroup(&plan.attributes, 0);
    ::posix_spawnattr_setflags(&plan.attributes,
                               POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
    std::vector<std::string> words = command;
    std::vector<char*> arguments;
    for (std::string& word : words) arguments.push_back(word.data());
    arguments.push_back(nullptr);
    ::pid_t id = -1;
    const int code = ::posix_spawnp(&id, arguments[0], &plan.files, &plan.attributes, arguments.data(), ::environ);
    if (code != 0) refuse(code);
    process_ = detail::process_group(id);
  }

  /// Waits until the child has written or closed its output, or until it can be written to where that is asked for.
  readiness wait(bool also_to_write, const time_limit& limit) {
    expects(static_cast<bool>(process_),
            [&] { return message("child_process: '", name_, "' has ended; start a new one"); });
    ::pollfd ends[2] = {{also_to_write ? input_.get() : -1, POLLOUT, 0}, {output_.get(), POLLIN, 0}};
    for (;;) {
      const int left = limit.milliseconds_left();
      if (left == 0) fail<child_timeout_error>(message("gave no answer within ", limit.seconds(), " s"));
      const int ready = ::poll(ends, 2, left);
      if (ready > 0) return {ends[0].revents != 0, ends[1].revents != 0};
      if (ready < 0 && errno != EINTR) fail(message("cannot be waited for: ", std::generic_category().message(errno)));
    }
  }

  /// Stores what can be read without waiting.
  void collect() {
    constexpr std::size_t chunk = 1 << 16;
    unread_.erase(0, std::exchange(taken_, 0));
    const std::size_t before = unread_.size();
    unread_.resize(before + chunk);
    const auto count = ::read(output_.get(), unread_.data() + before, chunk);
    unread_.resize(before + static_cast<std::size_t>(std::max<::ssize_t>(count, 0)));
    if (count == 0) fail("closed its output", stream_end);
    if (count < 0 && errno != EINTR) fail(message("cannot be read from: ", std::generic_category().message(errno)));
    if (unread() > most_unread) fail(message("wrote more than ", most_unread >> 20, " MB that were not asked for"));
  }

  void wait_and_collect(const time_limit& limit) {
    wait(false, limit);
    collect();
  }

  /// Ends the child and says why it failed: how it ended where it did so by itself, else `deed`.
  template <class Error = child_process_error>
  [[noreturn]] void fail(const std::string& deed, std::chrono::milliseconds patience = {}) {
    const std::string own_end = process_.how_it_ended(patience);
    process_.kill();
    if (!own_end.empty()) throw child_process_error(message("'", name_, "' ", own_end));
    throw Error(message("'", name_, "' ", deed));
  }

  std::string name_;
  detail::file_descriptor input_, output_;  ///< ours, of the child's input and output
  std::string unread_;                      ///< what came; the first taken_ bytes were read
  std::size_t taken_ = 0;
  detail::process_group process_;
};

}  // namespace fewstep

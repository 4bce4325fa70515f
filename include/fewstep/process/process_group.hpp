// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fewstep/core/error.hpp>

#include <spawn.h>
#include <sys/types.h>
#include <sys/wait.h>

#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstring>
#include <string>
#include <thread>
#include <utility>

namespace fewstep::detail {

/// A process that leads a group of its own; destruction kills the group and waits for the leader.
class process_group {
 public:
  process_group() = default;
  explicit process_group(::pid_t id) : id_(id) {}
  process_group(process_group&& other) noexcept : id_(std::exchange(other.id_, -1)) {}
  process_group& operator=(process_group&& other) noexcept {
    if (this != &other) {
      kill();
      id_ = std::exchange(other.id_, -1);
    }
    return *this;
  }
  ~process_group() { kill(); }

  [[nodiscard]] ::pid_t id() const { return id_; }
  explicit operator bool() const { return id_ > 0; }

  /// All are killed before the leader is waited for: until then nobody else can be given its number.
  void kill() noexcept {
    if (id_ <= 0) return;
    ::kill(-id_, SIGKILL);
    while (::waitpid(id_, nullptr, 0) < 0 && errno == EINTR) {
    }
    id_ = -1;
  }

  /// How the leader ended; empty if it still runs after the patience.
  [[nodiscard]] std::string how_it_ended(std::chrono::milliseconds patience) const {
    for (;; --patience) {
      ::siginfo_t end{};
      if (::waitid(P_PID, static_cast<::id_t>(id_), &end, WEXITED | WNOHANG | WNOWAIT) != 0) return {};
      if (end.si_pid != 0 && end.si_code == CLD_EXITED)
        return message("exited with status ", end.si_status,
                       end.si_status == 127   ? " (which shells say where a command is not found)"
                       : end.si_status == 126 ? " (which shells say where a command cannot be executed)"
                                              : "");
      if (end.si_pid != 0)
        return message("was killed by signal ", end.si_status, " (", ::strsignal(end.si_status), ")");
      if (patience.count() <= 0) return {};
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
  }

 private:
  ::pid_t id_ = -1;
};

/// File actions and attributes of a new process.
struct start_plan {
  ::posix_spawn_file_actions_t files{};
  ::posix_spawnattr_t attributes{};

  start_plan() {
    ::posix_spawn_file_actions_init(&files);
    ::posix_spawnattr_init(&attributes);
  }
  start_plan(const start_plan&) = delete;
  start_plan& operator=(const start_plan&) = delete;
  ~start_plan() {
    ::posix_spawn_file_actions_destroy(&files);
    ::posix_spawnattr_destroy(&attributes);
  }
};

}  // namespace fewstep::detail

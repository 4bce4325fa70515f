// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <sys/types.h>

#include <chrono>
#include <filesystem>
#include <fstream>
#include <string>
#include <thread>
#include <vector>

namespace fewstep::test {

/// A shell script as a command.
inline std::vector<std::string> shell(const std::string& script) { return {"/bin/sh", "-c", script}; }

/// Whether the process runs; one that is dead but not waited for (by whoever adopted it) does not.
inline bool is_running(::pid_t id) {
  std::ifstream file("/proc/" + std::to_string(id) + "/stat");
  std::string text;
  std::getline(file, text);
  const auto name_end = text.rfind(')');
  return name_end != std::string::npos && text.at(name_end + 2) != 'Z' && text.at(name_end + 2) != 'X';
}

/// Whether the process is dead within ten seconds: the system ends what was killed in its own time.
inline bool is_soon_dead(::pid_t id) {
  for (int wait = 0; wait < 10000 && is_running(id); ++wait) std::this_thread::sleep_for(std::chrono::milliseconds(1));
  return !is_running(id);
}

/// The number in a file that a script writes, waiting for it.
inline ::pid_t id_in(const std::filesystem::path& path) {
  ::pid_t id = 0;
  for (int wait = 0; wait < 10000 && !(std::ifstream(path) >> id); ++wait)
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  return id;
}

}  // namespace fewstep::test

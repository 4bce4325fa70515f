// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "support/temporary_directory.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sys/inotify.h>

#include <algorithm>
#include <chrono>
#include <sstream>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

/// How a program ended, and what it printed.
struct ending {
  int status = -1;
  std::string output;

  [[nodiscard]] bool exited_with(int code) const { return WIFEXITED(status) && WEXITSTATUS(status) == code; }
  [[nodiscard]] bool died_by(int signal) const { return WIFSIGNALED(status) && WTERMSIG(status) == signal; }
};

/// A run of text_to_emoji or of another program (their paths and that of the data are compile definitions).
class application {
 public:
  /// `largest_file` bytes is what a file may grow to; 0: no limit. `prepare` is called in the process that becomes the
  /// program, whose output goes to the log; signals do what they do by default.
  application(std::vector<std::string> arguments, std::filesystem::path log, unsigned long largest_file = 0,
              const char* program = TEXT_TO_EMOJI, void (*prepare)() = nullptr)
      : log_(std::move(log)) {
    arguments.insert(arguments.begin(), program);
    std::vector<char*> argv;
    for (auto& argument : arguments) argv.push_back(argument.data());
    argv.push_back(nullptr);
    child_ = ::fork();
    if (child_ != 0) return;
    if (largest_file > 0) {
      const ::rlimit limit{largest_file, largest_file};
      ::setrlimit(RLIMIT_FSIZE, &limit);
    }
    const int output = ::open(log_.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0666);
    ::dup2(output, STDOUT_FILENO);
    ::dup2(output, STDERR_FILENO);
    ::close(output);
    for (const int signal : {SIGINT, SIGTERM, SIGHUP, SIGPIPE}) std::signal(signal, SIG_DFL);
    if (prepare != nullptr) prepare();
    ::execv(argv[0], argv.data());
    ::_exit(127);
  }
  application(const application&) = delete;
  application& operator=(const application&) = delete;
  ~application() {
    if (child_ <= 0) return;
    ::kill(child_, SIGKILL);
    (void)wait();
  }

  void send(int signal) const { ::kill(child_, signal); }
  [[nodiscard]] pid_t id() const { return child_; }

  [[nodiscard]] bool is_running() {
    if (child_ > 0 && ::waitpid(child_, &status_, WNOHANG) == child_) child_ = -1;
    return child_ > 0;
  }

  ending wait() {
    if (child_ > 0) ::waitpid(child_, &status_, 0);
    child_ = -1;
    return {status_, text_of(log_)};
  }

 private:
  std::filesystem::path log_;
  pid_t child_ = -1;
  int status_ = -1;
};

/// Update numbers in the first column of a table of metrics.
inline std::vector<long> updates_in(const std::filesystem::path& table) {
  std::ifstream file(table);
  std::string line;
  std::getline(file, line);
  std::vector<long> updates;
  while (std::getline(file, line)) updates.push_back(std::strtol(line.c_str(), nullptr, 10));
  return updates;
}

/// Waits until the table of metrics has a row of that update; false if the program ended before.
inline bool wait_for_update(application& program, const std::filesystem::path& table, long update) {
  while (program.is_running()) {
    if (const auto updates = updates_in(table); !updates.empty() && updates.back() >= update) return true;
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  return false;
}

/// Waits until the program has printed the text; false if it ended before.
inline bool wait_for_output(application& program, const std::filesystem::path& log, const std::string& text) {
  while (program.is_running()) {
    if (text_of(log).find(text) != std::string::npos) return true;
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  return false;
}

/// Whether the program printed the text.
inline bool says(const ending& end, const std::string& text) { return end.output.find(text) != std::string::npos; }

/// The table without its last two columns, which are times.
inline std::string without_times(const std::filesystem::path& table) {
  std::istringstream lines(text_of(table));
  std::string kept;
  for (std::string line; std::getline(lines, line);) {
    for (int column = 0; column < 2; ++column) line.resize(line.rfind(','));
    kept += line + '\n';
  }
  return kept;
}

/// Tells when a file whose name begins so is made in a directory.
class creation_watch {
 public:
  explicit creation_watch(const std::filesystem::path& directory) : fd_(::inotify_init1(IN_CLOEXEC)) {
    if (::inotify_add_watch(fd_, directory.c_str(), IN_CREATE) < 0) throw std::runtime_error("inotify failed");
  }
  creation_watch(const creation_watch&) = delete;
  creation_watch& operator=(const creation_watch&) = delete;
  ~creation_watch() { ::close(fd_); }

  /// False if none is made within the time.
  bool wait(std::string_view beginning, std::chrono::milliseconds patience = std::chrono::seconds(60)) {
    const auto end = std::chrono::steady_clock::now() + patience;
    alignas(::inotify_event) char events[4096];
    while (std::chrono::steady_clock::now() < end) {
      ::pollfd readable{fd_, POLLIN, 0};
      if (::poll(&readable, 1, 100) <= 0) continue;
      const auto count = ::read(fd_, events, sizeof(events));
      for (ssize_t at = 0; at < count;) {
        const auto* event = reinterpret_cast<const ::inotify_event*>(events + at);
        if (event->len > 0 && std::string_view(event->name).substr(0, beginning.size()) == beginning) return true;
        at += static_cast<ssize_t>(sizeof(::inotify_event) + event->len);
      }
    }
    return false;
  }

 private:
  int fd_;
};

/// A directory with a tiny pretrained model, and short runs on it.
class playground {
 public:
  playground() {
    const auto made = run(pretrain("base", 2));
    if (!made.exited_with(0)) throw std::runtime_error("pretrain failed: " + made.output);
  }

  [[nodiscard]] std::filesystem::path operator/(const std::string& name) const { return directory_ / name; }
  [[nodiscard]] std::filesystem::path base() const { return directory_ / "base" / "base.safetensors"; }
  [[nodiscard]] std::filesystem::path log() const { return directory_ / "log"; }

  /// Arguments of a run of seconds; later options override the earlier ones by standing in `more` instead.
  [[nodiscard]] std::vector<std::string> finetune(const std::string& output, int updates,
                                                  std::vector<std::string> more = {}) const {
    std::vector<std::string> all{"finetune", "--output", (directory_ / output).string(), "--updates",
                                 std::to_string(updates)};
    const auto add = [&](const std::string& option, const std::string& value) {
      if (std::find(more.begin(), more.end(), option) != more.end()) return;
      all.push_back(option);
      all.push_back(value);
    };
    add("--checkpoint", base().string());
    add("--data", TEXT_TO_EMOJI_DATA);
    add("--prompts", "2");
    add("--samples", "2");
    add("--threads", "1");
    add("--evaluation-prompts", "2");
    add("--evaluation-samples", "2");
    add("--checkpoint-every", "1");
    all.insert(all.end(), more.begin(), more.end());
    return all;
  }

  /// Arguments of a pretraining of seconds.
  [[nodiscard]] std::vector<std::string> pretrain(const std::string& output, int steps,
                                                  const std::vector<std::string>& more = {}) const {
    std::vector<std::string> all{"pretrain",
                                 "--data",
                                 TEXT_TO_EMOJI_DATA,
                                 "--steps",
                                 std::to_string(steps),
                                 "--widths",
                                 "8,16",
                                 "--batch",
                                 "4",
                                 "--threads",
                                 "1",
                                 "--output",
                                 (directory_ / output).string()};
    all.insert(all.end(), more.begin(), more.end());
    return all;
  }

  ending run(std::vector<std::string> arguments, unsigned long largest_file = 0) const {
    return application(std::move(arguments), log(), largest_file).wait();
  }
  /// With `prepare` called in the process that becomes the program.
  ending run(std::vector<std::string> arguments, void (*prepare)(), const char* program = TEXT_TO_EMOJI) const {
    return application(std::move(arguments), log(), 0, program, prepare).wait();
  }

  /// Runs the program until its table has a row of that update, and kills it there.
  void kill_after(std::vector<std::string> arguments, const std::filesystem::path& table, long update) const {
    application program(std::move(arguments), log());
    const bool came = wait_for_update(program, table, update);
    program.send(SIGKILL);
    const auto end = program.wait();
    if (!came || !end.died_by(SIGKILL)) throw std::runtime_error("the run ended too early: " + end.output);
  }

 private:
  temporary_directory directory_;
};

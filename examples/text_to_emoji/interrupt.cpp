// SPDX-License-Identifier: Apache-2.0
#include "interrupt.hpp"

#include <array>
#include <atomic>
#include <csignal>
#include <ctime>

namespace text_to_emoji {
namespace {

constexpr std::array signals{SIGINT, SIGTERM, SIGHUP};

// A handler may touch atomics that have no lock.
static_assert(std::atomic<int>::is_always_lock_free && std::atomic<::pid_t>::is_always_lock_free);
std::atomic<int> seen = 0;
std::atomic<::time_t> first_second = 0;
std::atomic<long> first_nanosecond = 0;
std::atomic<::pid_t> listener = 0;

void note(int signal) {
  std::timespec now{};
  ::clock_gettime(CLOCK_MONOTONIC, &now);
  if (const ::pid_t process = listener; process > 0) ::kill(process, signal);
  if (seen == 0) {
    first_second = now.tv_sec;
    first_nanosecond = now.tv_nsec;
    seen = signal;
    return;
  }
  const bool is_another =
      now.tv_sec - first_second > 1 || (now.tv_sec - first_second == 1 && now.tv_nsec >= first_nanosecond);
  if (!is_another) return;
  std::signal(signal, SIG_DFL);
  ::raise(signal);  // delivered when the handler returns
}

}  // namespace

void watch_for_interrupts() {
  struct sigaction action {};
  action.sa_handler = note;
  action.sa_flags = SA_RESTART;
  sigemptyset(&action.sa_mask);
  for (const int signal : signals) sigaddset(&action.sa_mask, signal);
  for (const int signal : signals) {
    struct sigaction old {};
    sigaction(signal, nullptr, &old);
    if (old.sa_handler != SIG_IGN) sigaction(signal, &action, nullptr);
  }
  std::signal(SIGPIPE, SIG_IGN);
}

bool interrupted() { return seen != 0; }

int interrupted_status(int otherwise) { return interrupted() ? 128 + seen : otherwise; }

bool is_interrupted_status(int status) {
  for (const int signal : signals)
    if (status == 128 + signal) return true;
  return false;
}

void pass_interrupts_on(::pid_t process) {
  listener = process;
  if (const int signal = seen; process > 0 && signal != 0) ::kill(process, signal);
}

}  // namespace text_to_emoji

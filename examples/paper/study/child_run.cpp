// SPDX-License-Identifier: Apache-2.0
#include "child_run.hpp"

#include "text_to_emoji/interrupt.hpp"

#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdio>
#include <system_error>

#ifdef __linux__
#include <sys/prctl.h>
#endif

namespace paper {

int run_this_program(const std::vector<std::string>& arguments) {
  std::vector<std::string> words{"paper"};
  words.insert(words.end(), arguments.begin(), arguments.end());
  std::vector<char*> argv;
  for (auto& word : words) argv.push_back(word.data());
  argv.push_back(nullptr);
  std::fflush(nullptr);
  const ::pid_t child = ::fork();
  if (child < 0) throw std::system_error(errno, std::generic_category(), "cannot start a run");
  if (child == 0) {
#ifdef __linux__
    ::prctl(PR_SET_PDEATHSIG, SIGINT);
#endif
    ::execv("/proc/self/exe", argv.data());
    ::_exit(127);
  }
  // Waited for once without taking it, so that nothing is sent to a process that got its number.
  text_to_emoji::pass_interrupts_on(child);
  ::siginfo_t end{};
  while (::waitid(P_PID, static_cast<::id_t>(child), &end, WEXITED | WNOWAIT) < 0 && errno == EINTR) {
  }
  text_to_emoji::pass_interrupts_on(0);
  int status = 0;
  while (::waitpid(child, &status, 0) < 0)
    if (errno != EINTR) throw std::system_error(errno, std::generic_category(), "cannot wait for a run");
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

}  // namespace paper

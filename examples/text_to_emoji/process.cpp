// SPDX-License-Identifier: Apache-2.0
#include "process.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace text_to_emoji {

void prepare_process() {
  // open() gives the lowest number that is free; when it is above 2, all three are in use.
  int opened = 0;
  do {
    opened = ::open("/dev/null", O_RDWR);
  } while (opened >= 0 && opened <= STDERR_FILENO);
  if (opened < 0) std::_Exit(1);
  ::close(opened);
  std::signal(SIGXFSZ, SIG_IGN);
}

int finish_process(const char* program, int status) {
  errno = 0;
  const bool had_failed = std::ferror(stdout) != 0;
  if (std::fflush(stdout) == 0 && !had_failed) return status;
  std::fprintf(stderr, "%s: standard output could not be written%s%s\n", program, errno != 0 ? ": " : "",
               errno != 0 ? std::strerror(errno) : "");
  return status != 0 ? status : 1;
}

}  // namespace text_to_emoji

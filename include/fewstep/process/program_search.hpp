// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <string>
#include <string_view>

namespace fewstep::detail {

/// Why no program of this name could be started: ENOENT, EACCES, ...; 0 if there is one. It is looked up in PATH where
/// the name has no slash, as posix_spawnp does.
[[nodiscard]] inline int program_error(const std::string& name) {
  const auto error_of = [](const std::string& path) {
    struct ::stat status {};
    if (::stat(path.c_str(), &status) != 0) return errno;
    if (!S_ISREG(status.st_mode)) return EACCES;
    return ::access(path.c_str(), X_OK) == 0 ? 0 : errno;
  };
  if (name.find('/') != name.npos) return error_of(name);
  const char* const variable = std::getenv("PATH");
  std::string_view rest = variable != nullptr ? variable : "/bin:/usr/bin";
  for (int error = ENOENT;;) {
    const auto colon = rest.find(':');
    const std::string folder(rest.substr(0, colon));  // an empty one is the current directory
    const int here = error_of((folder.empty() ? "." : folder) + "/" + name);
    if (here == 0) return 0;
    if (here == EACCES) error = EACCES;
    if (colon == rest.npos) return error;
    rest.remove_prefix(colon + 1);
  }
}

}  // namespace fewstep::detail

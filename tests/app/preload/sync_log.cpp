// SPDX-License-Identifier: Apache-2.0
// A library to be preloaded (LD_PRELOAD): notes in the file that SYNC_LOG names what a program brings to the disk
// ("fsync PATH") and puts into place ("rename PATH"), in their order.
#include <dlfcn.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <cstdlib>
#include <string>

namespace {

void note(const char* deed, const char* path) {
  const char* const log = std::getenv("SYNC_LOG");
  if (log == nullptr) return;
  if (std::FILE* const file = std::fopen(log, "ae")) {
    std::fprintf(file, "%s %s\n", deed, path);
    std::fclose(file);
  }
}

template <class Function>
Function* next(const char* name) {
  return reinterpret_cast<Function*>(::dlsym(RTLD_NEXT, name));
}

}  // namespace

extern "C" int fsync(int fd) {
  std::array<char, 4096> path{};
  const std::string link = "/proc/self/fd/" + std::to_string(fd);
  if (::readlink(link.c_str(), path.data(), path.size() - 1) > 0) note("fsync", path.data());
  static const auto real = next<int(int)>("fsync");
  return real(fd);
}

extern "C" int rename(const char* from, const char* to) noexcept {
  note("rename", to);
  static const auto real = next<int(const char*, const char*)>("rename");
  return real(from, to);
}

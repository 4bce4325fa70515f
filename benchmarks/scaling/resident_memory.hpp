// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <fstream>
#include <string>

#if defined(__GLIBC__)
#include <malloc.h>
#endif

/// How much memory a part of the program had in use at its peak, above what there was before. Linux only; elsewhere 0.
class resident_memory {
 public:
  resident_memory() {
#if defined(__GLIBC__)
    mallopt(M_MMAP_THRESHOLD, 1 << 18);  // arrays go back to the system when they are freed
    malloc_trim(0);
#endif
    std::ofstream("/proc/self/clear_refs") << "5";  // the peak is what there is now
    before_ = bytes("VmRSS:");
  }

  [[nodiscard]] std::size_t peak() const {
    const std::size_t highest = bytes("VmHWM:");
    return highest > before_ ? highest - before_ : 0;
  }

 private:
  static std::size_t bytes(const std::string& name) {
    std::ifstream status("/proc/self/status");
    for (std::string word; status >> word;)
      if (std::size_t kilobytes = 0; word == name && status >> kilobytes) return 1024 * kilobytes;
    return 0;
  }

  std::size_t before_ = 0;
};

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <sanitizer/allocator_interface.h>

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <span>
#include <vector>

/// What the fuzz targets share. A target is a file with
///
///     FEWSTEP_FUZZ(bytes) { (void)load(bytes); }
///
/// and passes if the loader returns or throws a std::exception, keeps at most `memory_limit` bytes of the heap at any
/// moment, and leaves none behind. The body must keep no memory between its calls (no static that grows).
namespace fewstep::fuzz {

/// What reading so many bytes may take of the heap.
[[nodiscard]] constexpr std::size_t memory_limit(std::size_t bytes) { return 100'000'000 + 16 * bytes; }

/// The heap as the sanitizer's allocator counts it, from a mark on.
class heap_watch {
 public:
  static heap_watch& get() {
    static heap_watch watch;
    return watch;
  }

  void begin(std::size_t input) {
    input_ = input;
    limit_ = memory_limit(input);
    held_ = highest_ = 0;
    watching_ = true;
  }
  void end() {
    watching_ = false;
    if (highest_ > most_) {
      most_ = highest_;
      most_input_ = input_;
    }
  }

 private:
  heap_watch() {
    __sanitizer_install_malloc_and_free_hooks(
        [](const volatile void*, std::size_t size) { get().add(static_cast<std::ptrdiff_t>(size)); },
        [](const volatile void* block) {
          if (get().watching_)
            get().add(-static_cast<std::ptrdiff_t>(__sanitizer_get_allocated_size(const_cast<void*>(block))));
        });
    std::atexit([] {
      std::fprintf(stderr, "stat::largest_heap:              %zu bytes for an input of %zu\n", get().most_,
                   get().most_input_);
    });
  }

  void add(std::ptrdiff_t bytes) {
    if (!watching_) return;
    held_ += bytes;
    if (held_ <= static_cast<std::ptrdiff_t>(highest_)) return;
    highest_ = static_cast<std::size_t>(held_);
    if (highest_ <= limit_) return;
    watching_ = false;
    std::fprintf(stderr, "fuzz: %zu bytes of heap for an input of %zu; the limit is %zu\n", highest_, input_, limit_);
    std::abort();
  }

  bool watching_ = false;
  std::ptrdiff_t held_ = 0;
  std::size_t input_ = 0, limit_ = 0, highest_ = 0, most_ = 0, most_input_ = 0;
};

/// Runs the loader on the bytes under the watch; a std::exception is an answer, anything else is a finding.
template <class Load>
int run(const std::uint8_t* data, std::size_t size, const Load& load) {
  auto& watch = heap_watch::get();
  watch.begin(size);
  try {
    load(std::as_bytes(std::span(data, size)));
  } catch (const std::exception&) {
  }
  watch.end();
  return 0;
}

}  // namespace fewstep::fuzz

/// Defines the target; `bytes` is the input, a std::span<const std::byte>.
#define FEWSTEP_FUZZ(bytes)                                                          \
  static void fewstep_fuzz_target(std::span<const std::byte> bytes);                 \
  extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size); \
  int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {           \
    return fewstep::fuzz::run(data, size, fewstep_fuzz_target);                      \
  }                                                                                  \
  static void fewstep_fuzz_target(std::span<const std::byte> bytes)

// SPDX-License-Identifier: Apache-2.0
// What text_unet allocates, counted by replacing malloc and its kin.
#include "support/tiny_text_unet.hpp"
#include "test.hpp"

#include <atomic>
#include <cstddef>
#include <vector>

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define FEWSTEP_TEST_SANITIZED
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer) || __has_feature(memory_sanitizer)
#define FEWSTEP_TEST_SANITIZED
#endif
#endif

// Sanitizers have a malloc of their own, and other C libraries other names.
#if defined(__GLIBC__) && !defined(FEWSTEP_TEST_SANITIZED)

#include <cerrno>

namespace {
std::atomic<std::size_t> allocations = 0, allocated_bytes = 0;

void count(std::size_t bytes) {
  allocations.fetch_add(1, std::memory_order_relaxed);
  allocated_bytes.fetch_add(bytes, std::memory_order_relaxed);
}
}  // namespace

extern "C" {
void* __libc_malloc(std::size_t) noexcept;
void* __libc_calloc(std::size_t, std::size_t) noexcept;
void* __libc_realloc(void*, std::size_t) noexcept;
void* __libc_memalign(std::size_t, std::size_t) noexcept;

void* malloc(std::size_t bytes) noexcept {
  count(bytes);
  return __libc_malloc(bytes);
}
void* calloc(std::size_t n, std::size_t bytes) noexcept {
  count(n * bytes);
  return __libc_calloc(n, bytes);
}
void* realloc(void* memory, std::size_t bytes) noexcept {
  count(bytes);
  return __libc_realloc(memory, bytes);
}
void* aligned_alloc(std::size_t alignment, std::size_t bytes) noexcept {
  count(bytes);
  return __libc_memalign(alignment, bytes);
}
void* memalign(std::size_t alignment, std::size_t bytes) noexcept {
  count(bytes);
  return __libc_memalign(alignment, bytes);
}
int posix_memalign(void** memory, std::size_t alignment, std::size_t bytes) noexcept {
  count(bytes);
  *memory = __libc_memalign(alignment, bytes);
  return *memory == nullptr ? ENOMEM : 0;
}
}

using fewstep::cpu_backend;
using fewstep::index_t;
using fewstep::test::make_tiny_text_unet;
using fewstep::test::text_rows;

TEST_CASE("the counter of allocations counts") {
  const std::size_t before = allocations;
  const std::vector<double> one(10);
  const cpu_backend backend({.threads = 1});
  CHECK(allocations - before >= 2);
  CHECK(one.size() == 10);
}

TEST_CASE("text_unet: workspace_bytes is what a workspace allocates") {
  for (const int threads : {1, 3})
    for (const index_t rows : {1, 8, 50})
      for (const bool adapted : {false, true}) {
        cpu_backend backend({.threads = threads});
        const auto g =
            make_tiny_text_unet(backend, adapted ? std::optional(fewstep::lora_options{.rank = 2}) : std::nullopt);
        const std::size_t before = allocated_bytes;
        const auto workspace = g.make_workspace(backend, rows);
        const std::size_t taken = allocated_bytes - before, said = g.workspace_bytes(backend, rows);
        CAPTURE(threads, rows, adapted, taken, said);
        CHECK(workspace.units() == rows);
        // The plan counts arrays; each thread's tape has some lists besides.
        CHECK(said + static_cast<std::size_t>(threads) * 4096 >= taken);
        CHECK(static_cast<double>(said) <= 1.05 * static_cast<double>(taken));
      }
}

TEST_CASE("text_unet: after the first call of each kind, predict, forward and backward allocate nothing") {
  for (const int threads : {1, 2, 3})
    for (const bool adapted : {false, true}) {
      constexpr index_t count = 19;  // three blocks: with two threads the last wave is not full
      cpu_backend backend({.threads = threads});
      auto g = make_tiny_text_unet(backend, adapted ? std::optional(fewstep::lora_options{.rank = 2}) : std::nullopt);
      const text_rows all(count, g.sample_size(), 1);
      auto workspace = g.make_workspace(backend, count);
      std::vector<float> o(all.x.size());
      const fewstep::matrix<float> to{o.data(), {count, g.sample_size()}};
      const auto call = [&] {
        const std::size_t before = allocations;
        g.predict(backend, all.rows(), to, workspace);
        g.forward(backend, all.rows(), to, workspace);
        g.backward(backend, all.rows(), all.gradient(), workspace);
        return allocations - before;
      };
      CAPTURE(threads, adapted);
      CHECK(call() > 0);
      // Which thread takes which row is chance: a thread that gets its first one late makes its arrays late.
      int quiet = 0;
      for (int repeat = 0; repeat < (threads == 1 ? 5 : 100) && quiet < 5; ++repeat) {
        const std::size_t made = call();
        if (threads == 1) CHECK(made == 0);
        quiet = made == 0 ? quiet + 1 : 0;
      }
      CHECK(quiet == 5);
    }
}

#endif

// SPDX-License-Identifier: Apache-2.0
// What text_unet, guidance of it and a row network's tapes allocate, counted by replacing malloc and its kin.
#include "support/allocations.hpp"
#include "support/tiny_text_unet.hpp"
#include "test.hpp"

#include <fewstep/generator/guided.hpp>
#include <fewstep/generator/row_generator.hpp>

#include <cstddef>
#include <vector>

#ifdef FEWSTEP_TEST_COUNTS_ALLOCATIONS

using fewstep::cpu_backend;
using fewstep::index_t;
using fewstep::test::allocations;
using fewstep::test::live_bytes;
using fewstep::test::make_tiny_text_unet;
using fewstep::test::text_rows;

TEST_CASE("text_unet: workspace_bytes is what a workspace allocates") {
  for (const int threads : {1, 3})
    for (const index_t rows : {1, 8, 50})
      for (const bool adapted : {false, true}) {
        cpu_backend backend({.threads = threads});
        const auto g =
            make_tiny_text_unet(backend, adapted ? std::optional(fewstep::lora_options{.rank = 2}) : std::nullopt);
        const std::int64_t before = live_bytes;
        const auto workspace = g.make_workspace(backend, rows);
        const auto taken = static_cast<std::size_t>(live_bytes - before), said = g.workspace_bytes(backend, rows);
        CAPTURE(threads, rows, adapted, taken, said);
        CHECK(workspace.rows() == rows);
        // The plan counts arrays; each thread's tape has some lists besides, and malloc rounds up to pages.
        CHECK(said + static_cast<std::size_t>(threads + 8) * 4096 >= taken);
        CHECK(static_cast<double>(said) <= 1.05 * static_cast<double>(taken));
      }
}

TEST_CASE("text_unet: with adapters, what backward reads for the gradients of frozen filters is not kept") {
  cpu_backend backend({.threads = 1});
  const auto bytes_a_row = [&](const std::optional<fewstep::lora_options>& lora) {
    const auto g = make_tiny_text_unet(backend, lora);
    return static_cast<double>(g.workspace_bytes(backend, 408) - g.workspace_bytes(backend, 8)) / 400;
  };
  CHECK(bytes_a_row(fewstep::lora_options{.rank = 2}) < 0.7 * bytes_a_row(std::nullopt));
}

namespace {

struct line_with_large_tape {
  using context_type = int;
  struct tape {
    float kept[50000];
  };
  [[nodiscard]] index_t sample_size() const { return 1; }
  void forward(fewstep::vec<const float> w, const fewstep::network_row<int>& in, fewstep::vec<float> o,
               tape& kept) const {
    kept.kept[0] = in.x[0];
    o[0] = w[0] * in.x[0];
  }
  void backward(fewstep::vec<const float>, const fewstep::network_row<int>&, fewstep::vec<const float> g,
                fewstep::vec<float> w_gradient, const tape& kept) const {
    w_gradient[0] += g[0] * kept.kept[0];
  }
};

}  // namespace

TEST_CASE("row_generator: workspace_bytes has the tapes of all rows, and one for each thread") {
  const fewstep::row_generator g(line_with_large_tape{}, {0.5f});
  for (const int threads : {1, 3})
    for (const index_t rows : {0, 1, 8}) {
      cpu_backend backend({.threads = threads});
      const std::int64_t before = live_bytes;
      const auto workspace = g.make_workspace(backend, rows);
      const auto taken = static_cast<std::size_t>(live_bytes - before), said = g.workspace_bytes(backend, rows);
      CAPTURE(threads, rows, taken, said);
      CHECK(said >= static_cast<std::size_t>(rows + threads) * sizeof(line_with_large_tape::tape));
      CHECK(said <= taken);
      CHECK(taken <= said + 8 * 4096);
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

TEST_CASE("guided: a workspace allocates workspace_bytes, and calls after the first of each kind nothing") {
  constexpr index_t count = 19;
  cpu_backend backend({.threads = 1});
  auto network = make_tiny_text_unet(backend);
  fewstep::guided g(backend, network);
  const text_rows all(count, g.sample_size(), 1);
  std::vector<float> o(all.x.size());
  const fewstep::matrix<float> to{o.data(), {count, g.sample_size()}};
  for (const index_t rows : {index_t{0}, count}) {
    const std::int64_t live = live_bytes;
    auto workspace = g.make_workspace(backend, rows);
    const auto taken = static_cast<double>(live_bytes - live);
    const auto said = static_cast<double>(g.workspace_bytes(backend, rows));
    CAPTURE(rows, taken, said);
    CHECK(said + 12 * 4096 >= taken);
    CHECK(said <= 1.05 * taken);
    const auto call = [&] {
      const std::size_t before = allocations;
      g.predict(backend, all.rows(), to, workspace);
      if (rows > 0) {
        g.forward(backend, all.rows(), to, workspace);
        g.backward(backend, all.rows(), all.gradient(), workspace);
      }
      return allocations - before;
    };
    call();
    for (int repeat = 0; repeat < 5; ++repeat) CHECK(call() == 0);
  }
}

#endif

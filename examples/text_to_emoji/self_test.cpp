// SPDX-License-Identifier: Apache-2.0
#include "emoji_data.hpp"
#include "option_checks.hpp"
#include "runtime.hpp"
#include "settings.hpp"

#include <algorithm>
#include <cstdio>
#include <optional>

namespace text_to_emoji {
/// One rollout of an odd batch, its gradient computed in several ways. Nothing is written.
int self_test(const finetune_settings& settings) {
  finetune_settings s = settled(settings);
  expect_threads(s.threads);
  expect_at_least("--lora", s.lora, 0);
  const auto runtime = make_runtime(s.backend, s.threads);
  s.prompts = 7;
  s.samples = runtime->is_host() ? 3 : 101;  // a device has larger row blocks
  const auto data = emoji_data::load(s.data);
  std::printf("%d prompts x %d samples, %d network calls, seed %llu\n\n%-14s %8s %8s   %-14s %s\n", s.prompts,
              s.samples, s.horizon, static_cast<unsigned long long>(s.seed), "micro-batch", "rows", "threads",
              "all ratios 1", "gradient");

  constexpr gradient_variant variants[] = {{"all rows", 0, 1},     {"7 row blocks", 7, 1}, {"3 row blocks", 3, 1},
                                           {"1 row block", 1, 1},  {"all rows", 0, 2},     {"7 row blocks", 7, 2},
                                           {"3 row blocks", 3, 2}, {"1 row block", 1, 2}};
  std::optional<gradient_outcome> first;
  bool passed = true;
  for (const gradient_variant& v : variants) {
    if (!runtime->is_host() && v.threads > 1) continue;
    const gradient_outcome result = runtime->first_gradient(s, data, v);
    if (!first) first = result;
    const bool is_same = std::equal(result.gradient.begin(), result.gradient.end(), first->gradient.begin());
    const bool is_zero = std::all_of(result.gradient.begin(), result.gradient.end(), [](float g) { return g == 0; });
    const bool has_rows = v.blocks == 0 ? result.rows >= result.total_rows
                                        : result.rows == std::min(v.blocks * result.row_block, result.rows);
    passed = passed && result.ratios_are_one && is_same && !is_zero && has_rows;
    std::printf("%-14s %8td %8d   %-14s %s\n", v.rows, std::min(result.rows, result.total_rows), v.threads,
                result.ratios_are_one ? "yes" : "NO",
                is_zero          ? "IS ZERO"
                : !is_same       ? "DIFFERS"
                : &v == variants ? "the reference"
                                 : "the same bits");
  }
  std::printf("\nself-test %s\n", passed ? "passed" : "FAILED");
  return passed ? 0 : 1;
}

}  // namespace text_to_emoji

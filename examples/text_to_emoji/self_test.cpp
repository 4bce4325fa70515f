// SPDX-License-Identifier: Apache-2.0
#include "emoji_data.hpp"
#include "finetune_trainer.hpp"

#include <algorithm>
#include <cstdio>
#include <limits>
#include <optional>
#include <vector>

namespace text_to_emoji {
namespace {

using fewstep::index_t;

/// Rows at a time and threads of one run of the same update.
struct variant {
  const char* rows;
  index_t blocks;  ///< row blocks of a micro-batch; 0: all rows at once
  int threads;
};

struct outcome {
  index_t rows = 0, total_rows = 0;
  bool ratios_are_one = false;
  std::vector<float> gradient;
};

/// The memory budget under which exactly `blocks` row blocks fit.
template <class Plan>
std::size_t budget_for(const fewstep::cpu_backend& backend, const emoji_generator& model, const Plan& fixed,
                       index_t blocks) {
  const std::size_t these = model.workspace_bytes(backend, blocks * model.row_block());
  const std::size_t more = model.workspace_bytes(backend, (blocks + 1) * model.row_block());
  return fixed.parameters + fixed.trajectory + fixed.regularizer + these + (more - these) / 2;
}

outcome gradient_of(const finetune_settings& s, const emoji_data& data, const variant& v) {
  fewstep::cpu_backend backend({.threads = v.threads});
  emoji_generator model = load_generator(backend, s.checkpoint, s.lora, s.seed);
  std::vector<fewstep::token_list> contexts;
  for (const auto name : data.tuning) contexts.push_back(model.encode(data.names[static_cast<std::size_t>(name)]));

  finetune_settings asked = s;
  asked.memory_budget = 1e6;
  if (v.blocks > 0) {
    const auto plan = make_trainer(backend, model, asked).memory();
    asked.memory_budget = static_cast<double>(budget_for(backend, model, plan, v.blocks)) / 1e6;
  }
  auto trainer = make_trainer(backend, model, asked);
  trainer.sample(contexts);
  const auto gradient = model.gradients();
  std::fill_n(gradient.data, gradient.size(), 0.0f);
  const index_t total = trainer.table().trained * static_cast<index_t>(trainer.rewards().size());
  fewstep::update_report report;
  trainer.accumulate(0, total, static_cast<double>(total), report);
  report.average_over(1, static_cast<double>(total));
  return {trainer.memory().rows, total, report.ratio_deviation == 0.0 && report.ratio_mean == 1.0,
          std::vector<float>(gradient.data, gradient.data + gradient.size())};
}

}  // namespace

/// One rollout of an odd batch, its gradient computed in several ways. Nothing is written.
int self_test(const finetune_settings& settings) {
  finetune_settings s = settled(settings);
  s.prompts = 7;
  s.samples = 3;
  const auto data = emoji_data::load(s.data);
  std::printf("%d prompts x %d samples, %d network calls, seed %llu\n\n%-14s %8s %8s   %-14s %s\n", s.prompts,
              s.samples, s.horizon, static_cast<unsigned long long>(s.seed), "micro-batch", "rows", "threads",
              "all ratios 1", "gradient");

  constexpr variant variants[] = {{"all rows", 0, 1},     {"7 row blocks", 7, 1}, {"3 row blocks", 3, 1},
                                  {"1 row block", 1, 1},  {"all rows", 0, 2},     {"7 row blocks", 7, 2},
                                  {"3 row blocks", 3, 2}, {"1 row block", 1, 2}};
  std::optional<outcome> first;
  bool passed = true;
  for (const variant& v : variants) {
    const outcome result = gradient_of(s, data, v);
    if (!first) first = result;
    const bool is_same = std::equal(result.gradient.begin(), result.gradient.end(), first->gradient.begin());
    const bool is_zero = std::all_of(result.gradient.begin(), result.gradient.end(), [](float g) { return g == 0; });
    const bool has_rows = v.blocks == 0 ? result.rows >= result.total_rows
                                        : result.rows == std::min(v.blocks * emoji_generator::row_block(), result.rows);
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

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "finetune_trainer.hpp"
#include "runtime_on.hpp"

namespace text_to_emoji {

/// The memory budget under which `blocks` row blocks fit, given the plan of a trainer with a budget for all.
template <class Backend, class Plan>
[[nodiscard]] std::size_t budget_for(const Backend& backend, const emoji_generator<Backend>& model, const Plan& fixed,
                                     fewstep::index_t blocks) {
  const std::size_t these = model.workspace_bytes(backend, blocks * model.row_block());
  const std::size_t more = model.workspace_bytes(backend, (blocks + 1) * model.row_block());
  return fixed.total() - model.workspace_bytes(backend, fixed.rows) + these + (more - these) / 2;
}

template <class Backend>
gradient_outcome runtime_on<Backend>::first_gradient(const finetune_settings& s, const emoji_data& data,
                                                     const gradient_variant& v) {
  using fewstep::index_t;
  auto options = options_;
  if constexpr (requires { options.threads; }) options.threads = v.threads;
  Backend backend(options);
  auto model = load_generator(backend, s.checkpoint, s.lora, s.seed);
  std::vector<fewstep::token_list> contexts;
  for (const auto name : data.tuning)
    contexts.push_back(model.encode(data.names[static_cast<std::size_t>(name)], fewstep::missing_words::leave_out));

  finetune_settings asked = s;
  asked.memory_budget = 1e6;
  if (v.blocks > 0) {
    const auto plan = make_trainer(backend, model, asked).memory();
    asked.memory_budget = static_cast<double>(budget_for(backend, model, plan, v.blocks)) / 1e6;
  }
  auto trainer = make_trainer(backend, model, asked);
  trainer.sample(contexts);
  const auto gradient = model.gradients();
  std::vector<float> values(static_cast<std::size_t>(gradient.size()));
  backend.copy_to_device(values.data(), gradient.data, gradient.size());
  const index_t total = trainer.table().trained * static_cast<index_t>(trainer.rewards().size());
  fewstep::update_report report;
  trainer.accumulate(0, total, static_cast<double>(total), report);
  report.average_over(1, static_cast<double>(total));
  backend.copy_to_host(gradient.data, values.data(), gradient.size());
  return {trainer.memory().rows, total, model.row_block(), report.ratio_deviation == 0.0 && report.ratio_mean == 1.0,
          std::move(values)};
}

}  // namespace text_to_emoji

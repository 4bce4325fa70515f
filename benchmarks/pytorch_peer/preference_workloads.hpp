// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "workloads.hpp"

#include <fewstep/algorithm/d3po.hpp>
#include <fewstep/algorithm/diffusion_dpo.hpp>
#include <fewstep/preference/recorded_pairs.hpp>
#include <fewstep/regularizer/frozen_reference.hpp>

namespace peer {

inline constexpr index_t pair_count = batch_size / 2;

/// The default U-Net, a little away from make_model's: the reference of preference updates.
template <class Backend>
text_unet<Backend> make_reference(Backend& backend) {
  text_unet<Backend> model = make_model(backend);
  const vec<float> p = model.parameters();
  auto values = to_host(backend, p.data, p.size());
  const auto z = normal_rows({seed, stream::initialization}, 1, 1, p.size());
  for (std::size_t i = 0; i < z.size(); ++i) values[i] += 0.002f * z[i];
  backend.copy_to_device(values.data(), p.data, p.size());
  return model;
}

/// Pairs of random samples, each for a text of its own.
inline auto make_pairs(index_t pairs, index_t dimension) {
  std::vector<token_list> texts = make_texts();
  texts.resize(static_cast<std::size_t>(pairs), texts.front());
  return recorded_pairs(
      pair_records<token_list>{inputs(8, pairs, dimension), inputs(9, pairs, dimension), std::move(texts)}, dimension);
}

/// Diffusion-DPO, one optimizer step an update.
template <class Backend, class Model, class Reference>
auto make_diffusion_dpo(Backend& backend, Model& model, Reference& reference, index_t pairs = pair_count,
                        std::size_t memory_budget = training_options{}.memory_budget) {
  return diffusion_dpo(
      backend, model, make_pairs(pairs, model.sample_size()),
      preference_parts{.optimizer = adam{}, .reference = frozen_reference(reference)},
      {.pairs = {.comparisons = pairs}, .update = {.training = {.memory_budget = memory_budget, .seed = seed}}});
}

/// D3PO on 32 pairs of trajectories of horizon 4, which have 3 trained steps each, one optimizer step.
template <class Backend>
auto make_d3po(Backend& backend, text_unet<Backend>& model, text_unet<Backend>& reference) {
  return d3po(backend, model, per_sample(mean_pixel{}),
              preference_parts{.optimizer = adam{}, .reference = frozen_reference(reference)},
              {.pairs = {.horizon = update_horizon, .batch = {.prompts = static_cast<int>(pair_count)}},
               .update = {.optimizer_steps = 1, .training = {.seed = seed}}},
              consistency_sampler{});
}

/// The first update of a preference trainer: its rows, and what it did.
template <class Backend, class Trainer>
void write_preference_update(exchange<Backend>& to, const std::string& name, Trainer& trainer,
                             text_unet<Backend>& model, const preference_report& report) {
  const auto c = trainer.source().comparisons();
  expects(trainer.memory().rows >= 2 * c, "fewstep_peer: an update is to be one micro-batch");
  const auto rows = trainer.source().rows(to.backend, model, 0, 2 * c);
  const auto numbers = [&](const auto& array) { return to_host(to.backend, array.data, array.size()); };
  to.add_rows(name + ".x", rows.rows.x);
  to.add_rows(name + ".target", rows.target);
  to.add(name + ".times", numbers(rows.rows.times));
  to.add(name + ".scale", numbers(rows.scale));
  to.add(name + ".labels", numbers(rows.labels));
  tensor<token_list, 1, Backend> tokens(to.backend, {2 * c});
  to.backend.for_each(2 * c, detail::gather_contexts<token_list>{rows.rows.contexts, tokens.data()});
  to.add(name + ".tokens", to_host(to.backend, tokens.data(), 2 * c));
  to.add(name + ".beta", trainer.parts().link.beta);
  to.add(name + ".loss", report.loss);
  to.add(name + ".gradient_norm", report.gradient_norm);
  to.add(name + ".max_gradient_norm", static_cast<double>(trainer.options().training.max_gradient_norm));
  to.add_model(name + "_gradient", model, model.gradients());
  to.add_model(name + "_updated", model, model.parameters());
}

}  // namespace peer

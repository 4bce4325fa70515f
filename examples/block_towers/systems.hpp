// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "generator.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace block_towers {

/// Of the prompts whose towers have both labels: which towers stand, and which do not. A preference_source: a prompt,
/// and a tower of either kind.
struct both_labels {
  const judged_towers* towers;
  std::vector<std::size_t> prompts{};
  std::vector<std::vector<std::size_t>> good{}, bad{};

  explicit both_labels(const judged_towers& of) : towers(&of) {
    for (std::size_t p = 0; p < of.prompts.size(); ++p) {
      std::vector<std::size_t> by_label[2];
      for (std::size_t k = p * of.per_prompt; k < (p + 1) * of.per_prompt; ++k)
        by_label[of.stands[k] != 0 ? 1 : 0].push_back(k);
      if (by_label[0].empty() || by_label[1].empty()) continue;
      prompts.push_back(p), bad.push_back(by_label[0]), good.push_back(by_label[1]);
    }
    fewstep::expects(!prompts.empty(), "no prompt has a tower that stands and one that falls; draw more of each");
  }

  void operator()(std::int64_t update, matrix<float> winners, matrix<float> losers, std::span<prompt> contexts) const {
    const fewstep::random_stream random{1, fewstep::stream::data};
    for (index_t i = 0; i < winners.rows(); ++i) {
      const auto n = static_cast<std::uint64_t>(update * winners.rows() + i);
      const auto draw = [&](std::size_t count, std::uint32_t what) {
        return std::size_t{random.below(static_cast<std::uint32_t>(count), n, what)};
      };
      const std::size_t p = draw(prompts.size(), 0);
      std::copy_n(towers->row(good[p][draw(good[p].size(), 1)]), numbers, winners.row(i));
      std::copy_n(towers->row(bad[p][draw(bad[p].size(), 2)]), numbers, losers.row(i));
      contexts[static_cast<std::size_t>(i)] = towers->prompts[prompts[p]];
    }
  }
};

/// A judged_source: towers one by one, of all prompts; those that stand alone, or all.
struct one_by_one {
  const judged_towers* towers;
  std::vector<std::size_t> among{};

  one_by_one(const judged_towers& of, bool stable_only) : towers(&of) {
    for (std::size_t k = 0; k < of.stands.size(); ++k)
      if (!stable_only || of.stands[k] != 0) among.push_back(k);
    fewstep::expects(!among.empty(), "no tower stands; draw more of them, or of another base");
  }

  void operator()(std::int64_t update, matrix<float> x, std::span<prompt> contexts, matrix<float> labels) const {
    const fewstep::random_stream random{1, fewstep::stream::data};
    for (index_t i = 0; i < x.rows(); ++i) {
      const auto n = static_cast<std::uint64_t>(update * x.rows() + i);
      const std::size_t k = among[random.below(static_cast<std::uint32_t>(among.size()), n)];
      std::copy_n(towers->row(k), numbers, x.row(i));
      contexts[static_cast<std::size_t>(i)] = towers->prompts[k / towers->per_prompt];
      labels(i, 0) = towers->stands[k] != 0 ? 1.0f : -1.0f;
    }
  }
};

template <class Trainer>
double train(Trainer trainer, std::int64_t updates) {
  double loss = 0;
  while (trainer.index() < updates) loss = trainer.update().loss;
  return loss;
}

/// DSO's: 48 comparisons an update, AdamW with a decay of 0.01, a quarter of the updates warm up. Its rate was 5e-6, on
/// adapters; here all weights of a small network move.
[[nodiscard]] inline fewstep::preference_algorithm_options fine_tuning(std::int64_t updates) {
  return {.update = {.training = {.schedule = {.warmup = (updates + 3) / 4}}}};
}
constexpr fewstep::adamw slow{.learning_rate = 1e-5f, .weight_decay = 0.01f},
    fast{.learning_rate = 1e-4f, .weight_decay = 0.01f};

inline void dpo(fewstep::cpu_backend& backend, tower_generator& model, tower_generator& base, const both_labels& pairs,
                float beta, std::int64_t updates) {
  train(fewstep::dso_dpo(backend, model, pairs,
                         fewstep::preference_parts{.optimizer = fast,
                                                   .reference = fewstep::frozen_reference(base),
                                                   .link = fewstep::logistic_link{.beta = beta}},
                         fine_tuning(updates)),
        updates);
}
/// The published code's DRO: errors of towers that stand less those of as many that fall, of the same prompts.
inline void dro_of_pairs(fewstep::cpu_backend& backend, tower_generator& model, const both_labels& pairs,
                         std::int64_t updates) {
  train(fewstep::dso_dro(backend, model, pairs, fewstep::preference_parts{.optimizer = slow}, fine_tuning(updates)),
        updates);
}
/// The paper's: towers of all prompts as they come, with the sign of their label.
inline void dro(fewstep::cpu_backend& backend, tower_generator& model, const judged_towers& towers,
                std::int64_t updates) {
  train(fewstep::dso_dro(backend, model, one_by_one(towers, false), fewstep::preference_parts{.optimizer = slow},
                         fine_tuning(updates)),
        updates);
}
/// Supervised fine-tuning: DRO of good samples alone is flow matching.
inline void fit_stable(fewstep::cpu_backend& backend, tower_generator& model, const judged_towers& towers,
                       std::int64_t updates) {
  train(fewstep::dso_dro(backend, model, one_by_one(towers, true), fewstep::preference_parts{.optimizer = fast},
                         fine_tuning(updates)),
        updates);
}

/// Trains a base model on towers of the data, in the same way; the model becomes the EMA. Returns the last loss.
inline double fit_data(fewstep::cpu_backend& backend, tower_generator& model, std::int64_t updates) {
  const auto data = [](std::int64_t update, matrix<float> x, std::span<prompt> contexts, matrix<float> labels) {
    const fewstep::random_stream random{0, fewstep::stream::data};
    for (index_t i = 0; i < x.rows(); ++i) {
      const tower t = tower_of_data(random, static_cast<std::uint64_t>(update * x.rows() + i));
      write_tower(t, x.row(i));
      contexts[static_cast<std::size_t>(i)] = prompt_of(t);
      labels(i, 0) = 1;
    }
  };
  auto trainer = fewstep::dso_dro(
      backend, model, data, fewstep::preference_parts{.optimizer = fewstep::adam{.learning_rate = 2e-3f}},
      {.pairs = {.comparisons = 256}, .update = {.training = {.schedule = {.total = updates}, .ema_decay = 0.999f}}},
      fewstep::uniform_times{});
  double loss = 0;
  while (trainer.index() < updates) loss = trainer.update().loss;
  std::ranges::copy(trainer.ema(), model.parameters().begin());
  model.parameters_changed();
  return loss;
}

}  // namespace block_towers

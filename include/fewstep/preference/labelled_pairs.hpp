// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fewstep/core/view.hpp>
#include <fewstep/preference/pair_judge.hpp>
#include <fewstep/preference/preference_source.hpp>

#include <cstdint>
#include <span>
#include <string_view>
#include <utility>

namespace fewstep {

/// A pair_source of pairs that are made and then judged: `samples` fills both members and the contexts of an update, as
/// a preference_source does but in any order (sampled_pairs, a function, another process), and `judge` says which is
/// the better one.
///
///   labelled_pairs pairs(sampled_pairs(backend, model, consistency_sampler{}, prompts), reward_judge(reward));
template <class Samples, class Judge>
class labelled_pairs {
 public:
  labelled_pairs(Samples samples, Judge judge) : samples_(std::move(samples)), judge_(std::move(judge)) {}

  static constexpr std::string_view name = "labelled_pairs";
  template <class Visitor>
  void settings(Visitor& visit) const {
    visit.part("samples", samples_);
    visit.part("judge", judge_);
  }

  template <class Context>
  void operator()(std::int64_t update, matrix<float> first, matrix<float> second, std::span<Context> contexts,
                  matrix<float> labels) {
    if constexpr (detail::require_preference_source<Samples, Context>() &&
                  detail::require_pair_judge<Judge, Context>()) {
      samples_(update, first, second, contexts);
      judge_(matrix<const float>(first), matrix<const float>(second), std::span<const Context>(contexts), labels);
    }
  }

 private:
  Samples samples_;
  Judge judge_;
};

}  // namespace fewstep

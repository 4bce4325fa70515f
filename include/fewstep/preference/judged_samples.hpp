// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fewstep/core/error.hpp>
#include <fewstep/core/view.hpp>
#include <fewstep/preference/preference_source.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <utility>

namespace fewstep {

/// A judged_source of samples that are made and then judged one by one: both members of the pairs that `samples` makes
/// (sampled_pairs), 2 P of them, and judge(samples[N, D], contexts[N], labels[N, 1]) says which are good
/// (threshold_judge). Half an update's samples are the first members, the other half the second ones.
template <class Samples, class Judge>
class judged_samples {
 public:
  judged_samples(Samples samples, Judge judge) : samples_(std::move(samples)), judge_(std::move(judge)) {}

  static constexpr std::string_view name = "judged_samples";
  template <class Visitor>
  void settings(Visitor& visit) const {
    visit.part("samples", samples_);
    visit.part("judge", judge_);
  }

  /// Throws std::invalid_argument for an odd number of samples.
  template <class Context>
  void operator()(std::int64_t update, matrix<float> x, std::span<Context> contexts, matrix<float> labels) {
    if constexpr (detail::require_preference_source<Samples, Context>()) {
      const index_t pairs = x.rows() / 2;
      expects(x.rows() == 2 * pairs, [&] {
        return message(name, ": ", x.rows(), " samples are asked for, which come in pairs; ask for an even number");
      });
      const auto half = static_cast<std::size_t>(pairs);
      samples_(update, x.subview(0, pairs), x.subview(pairs, pairs), contexts.first(half));
      std::copy_n(contexts.begin(), half, contexts.begin() + pairs);
      judge_(matrix<const float>(x), std::span<const Context>(contexts), labels);
    }
  }

 private:
  Samples samples_;
  Judge judge_;
};

}  // namespace fewstep

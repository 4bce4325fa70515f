// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fewstep/core/settings.hpp>
#include <fewstep/core/view.hpp>
#include <fewstep/reward/check.hpp>
#include <fewstep/reward/for_each_sample.hpp>
#include <fewstep/reward/reward.hpp>

#include <cstddef>
#include <span>
#include <string_view>
#include <type_traits>
#include <utility>

namespace fewstep {

struct per_sample_settings {
  int threads = 1;  ///< 1: one after the other; 0: OpenMP's default; more than 1 needs a function that is thread-safe

  static constexpr std::string_view name = "per_sample";
  template <class Visitor>
  void settings(Visitor& visit) const {
    visit.not_compared("threads", threads, at_least(0));
  }
};

/// Makes a reward out of a function of one sample:
///
///   per_sample([](vec<const float> sample, const prompt& p) { return -std::abs(sample[0] - p.target); })
///
/// `sample` is [D]; the function returns one number. An exception it throws leaves the call unchanged; with several
/// failing samples it is the one of the smallest index. Whether the function fits is checked where a batch is rated,
/// not before: a generic lambda is never called on trial.
template <class Function>
class per_sample {
 public:
  explicit per_sample(Function function, per_sample_settings settings = {})
      : function_(std::move(function)), settings_(settings) {}  // throws nothing: see settings()

  static constexpr std::string_view name = per_sample_settings::name;
  /// Checked by a trainer when it is made, and by each call. (Of a constructor that throws within the braces of
  /// policy_gradient_parts, g++ 12 at -O3 warns that members before it may be uninitialised.)
  template <class Visitor>
  void settings(Visitor& visit) const {
    settings_.settings(visit);
  }

  template <class Context>
  void operator()(matrix<const float> samples, std::span<const Context> contexts, std::span<float> out) {
    constexpr bool fits = std::is_invocable_r_v<float, Function&, vec<const float>, const Context&>;
    static_assert(fits,
                  "fewstep::per_sample: the function must be callable as f(vec<const float> sample, const Context& "
                  "context) and return a number");
    check_settings(settings_);
    detail::expect_reward_batch(samples, contexts.size(), out.size());
    if constexpr (fits)
      detail::for_each_sample("per_sample", samples.rows(), settings_.threads, [&](index_t i) {
        const auto at = static_cast<std::size_t>(i);
        out[at] = static_cast<float>(function_(vec<const float>(samples.row(i), {samples.cols()}), contexts[at]));
      });
  }

 private:
  Function function_;
  per_sample_settings settings_;
};

}  // namespace fewstep

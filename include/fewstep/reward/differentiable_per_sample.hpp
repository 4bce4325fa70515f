// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fewstep/core/view.hpp>
#include <fewstep/reward/check.hpp>
#include <fewstep/reward/differentiable_reward.hpp>
#include <fewstep/reward/for_each_sample.hpp>
#include <fewstep/reward/per_sample.hpp>

#include <cstddef>
#include <span>
#include <type_traits>
#include <utility>
#include <vector>

namespace fewstep {

/// Makes a differentiable reward out of a function of one sample that also writes its gradient:
///
///   differentiable_per_sample([](vec<const float> sample, const prompt& p, vec<float> gradient) {
///     for (index_t d = 0; d < sample.size(); ++d) gradient[d] = 0;
///     gradient[0] = -2 * (sample[0] - p.target);
///     return -(sample[0] - p.target) * (sample[0] - p.target);
///   })
///
/// `sample` and `gradient` are [D]. Exceptions and threads are as for per_sample.
template <class Function>
class differentiable_per_sample {
 public:
  explicit differentiable_per_sample(Function function, per_sample_settings settings = {})
      : function_(std::move(function)), settings_(settings) {}

  template <class Context>
  void operator()(matrix<const float> samples, std::span<const Context> contexts, std::span<float> out) {
    unused_.resize(static_cast<std::size_t>(samples.size()));
    value_and_gradient(samples, contexts, out, matrix<float>{unused_.data(), samples.extents});
  }

  template <class Context>
  void value_and_gradient(matrix<const float> samples, std::span<const Context> contexts, std::span<float> out,
                          matrix<float> gradient) {
    constexpr bool fits = std::is_invocable_r_v<float, Function&, vec<const float>, const Context&, vec<float>>;
    static_assert(fits,
                  "fewstep::differentiable_per_sample: the function must be callable as f(vec<const float> sample, "
                  "const Context& context, vec<float> gradient) and return a number");
    detail::expect_reward_batch(samples, contexts.size(), out.size());
    detail::expect_reward_gradient(samples, gradient);
    if constexpr (fits)
      detail::for_each_sample("differentiable_per_sample", samples.rows(), settings_.threads, [&](index_t i) {
        const auto at = static_cast<std::size_t>(i);
        out[at] = static_cast<float>(function_(vec<const float>(samples.row(i), {samples.cols()}), contexts[at],
                                               vec<float>(gradient.row(i), {gradient.cols()})));
      });
  }

 private:
  Function function_;
  per_sample_settings settings_;
  std::vector<float> unused_;  // gradients of a call that asks for none
};

}  // namespace fewstep

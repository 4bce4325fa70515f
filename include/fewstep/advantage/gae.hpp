// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fewstep/core/error.hpp>
#include <fewstep/core/settings.hpp>
#include <fewstep/core/view.hpp>

#include <cstdint>
#include <string_view>

namespace fewstep {

/// What comes after a step.
enum class step_end : std::uint8_t {
  none,         ///< the next step at hand; after the last one at hand, a state that is worth its value
  termination,  ///< nothing: the episode is over, and what follows is worth 0
  truncation    ///< the episode was cut short (a time limit): the state that followed is worth its value
};

/// Steps of B episodes side by side in the order of time, row k after row k - 1, all [T, B]. Where an episode ends, row
/// k + 1 may begin another.
struct valued_steps {
  matrix<const float> rewards;            ///< r_k
  matrix<const float> values;             ///< V(s_k) of the state that step k starts from
  matrix<const float> next_values;        ///< V of the state that step k led to (before another episode begins)
  tensor_view<const step_end, 2> ends{};  ///< null: none
};

/// Generalised advantage estimation, Schulman et al. 2016 (arXiv:1506.02438), equations (11), (12) and (16):
///
///   delta_k = r_k + discount V(s_{k+1}) - V(s_k)
///   A_k     = delta_k + discount lambda A_{k+1}
///
/// where A_{k+1} is 0 behind the end of an episode and behind the last row, and V(s_{k+1}) is 0 after a termination
/// only. lambda = 0 trusts the value function (one step ahead); lambda = 1 trusts the rewards (the discounted sum of
/// all that follow, less V).
struct gae {
  float discount = 1.0f;  ///< a few steps make a sample, and the last is worth as much as the first
  float lambda = 0.95f;

  static constexpr std::string_view name = "gae";
  template <class Visitor>
  void settings(Visitor& visit) const {
    visit("discount", discount, between(0, 1));
    visit("lambda", lambda, between(0, 1));
  }

  /// Writes A to advantages[T, B], which may be the rewards' array, and A + V, which a value function is to learn, to
  /// returns[T, B] unless it is null. Throws std::invalid_argument if shapes or settings are not as they should be.
  void operator()(const valued_steps& steps, matrix<float> advantages, matrix<float> returns = {}) const {
    check_settings(*this);
    expect_shapes(steps, advantages, returns);
    const double gamma = static_cast<double>(discount), decay = gamma * static_cast<double>(lambda);
    for (index_t b = 0; b < steps.rewards.cols(); ++b) {
      double following = 0;
      for (index_t k = steps.rewards.rows() - 1; k >= 0; --k) {
        const step_end end = steps.ends.data == nullptr ? step_end::none : steps.ends(k, b);
        const double value = static_cast<double>(steps.values(k, b));
        const double next = end == step_end::termination ? 0.0 : static_cast<double>(steps.next_values(k, b));
        if (end != step_end::none) following = 0;
        following = static_cast<double>(steps.rewards(k, b)) + gamma * next - value + decay * following;
        if (returns.data != nullptr) returns(k, b) = static_cast<float>(following + value);
        advantages(k, b) = static_cast<float>(following);
      }
    }
  }

 private:
  static void expect_shapes(const valued_steps& steps, matrix<float> advantages, matrix<float> returns) {
    const auto expect = [&](array_extents<2> shape, const char* what) {
      expects(shape == steps.rewards.extents, [&] {
        return message("gae: ", what, " are [", shape[0], ", ", shape[1], "], but the rewards are [",
                       steps.rewards.rows(), ", ", steps.rewards.cols(), "]; give one for each step and episode");
      });
    };
    expect(steps.values.extents, "values");
    expect(steps.next_values.extents, "next_values");
    if (steps.ends.data != nullptr) expect(steps.ends.extents, "ends");
    expect(advantages.extents, "advantages");
    if (returns.data != nullptr) expect(returns.extents, "returns");
  }
};

}  // namespace fewstep

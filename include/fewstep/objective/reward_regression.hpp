// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fewstep/core/settings.hpp>
#include <fewstep/objective/trajectory_objective.hpp>

#include <cstddef>
#include <span>
#include <string_view>

namespace fewstep {

/// Regression of relative rewards: REBEL (Gao et al. 2024, arXiv:2404.16767), equation (4). For two samples y, y' of
/// one prompt, with log pi summed over the steps of a trajectory,
///
///   loss = ( (1/eta) ((log pi - log pi_old)(y) - (log pi - log pi_old)(y')) - (A(y) - A(y')) )^2.
///
/// There is no ratio to clip and no baseline to learn. With more than two samples of a prompt the loss is the mean over
/// its pairs, 2/(n - 1) sum_i (u_i - mean u)^2 with u = (log-ratio)/eta - A.
struct reward_regression {
  static constexpr int least_samples_per_prompt = 2;
  float eta = 1;

  static constexpr std::string_view name = "reward_regression";
  template <class Visitor>
  void settings(Visitor& visit) const {
    visit("eta", eta, above(0));
  }

  double operator()(std::span<const double> log_ratios, std::span<const float> advantages, int samples_per_prompt,
                    std::span<float> slopes) const {
    const auto n = static_cast<std::size_t>(samples_per_prompt);
    const double rate = static_cast<double>(eta), others = static_cast<double>(samples_per_prompt - 1);
    const auto error = [&](std::size_t i) { return log_ratios[i] / rate - static_cast<double>(advantages[i]); };
    double loss = 0;
    for (std::size_t first = 0; first < log_ratios.size(); first += n) {
      double mean = 0;
      for (std::size_t i = first; i < first + n; ++i) mean += error(i) / static_cast<double>(n);
      for (std::size_t i = first; i < first + n; ++i) {
        const double off = error(i) - mean;
        loss += 2 * off * off / others;
        slopes[i] = static_cast<float>(-4 * static_cast<double>(n) * off / (others * rate));
      }
    }
    return -loss / static_cast<double>(log_ratios.size() / n);
  }
};

static_assert(trajectory_objective<reward_regression>);

}  // namespace fewstep

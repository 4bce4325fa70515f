// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fewstep/core/config.hpp>
#include <fewstep/core/settings.hpp>

#include <string_view>

namespace fewstep {

/// Keeps what is preferred from being lost: a loss of differences also falls while both members become less likely, the
/// loser only faster, until samples turn to noise. In each comparison the loser's part of the gradient is scaled by
///
///   lambda = min(1, (1 - mu) |g_w|^2 / <g_w, g_l>)   where <g_w, g_l> > 0, else 1,
///
/// g_w being the winner's part at the outputs of the network and g_l the loser's turned round, so that to first order
/// in its output the winner's error falls by at least mu of what it would fall without a loser. Source: Fu et al. 2025,
/// Diffusion-SDPO, arXiv:2511.03317; its code takes one lambda for the pairs of a batch together.
struct winner_safeguard {
  bool is_on = false;
  float mu = 0;  ///< 0: the winner's error does not rise; 1: a loser that pulls at the winner counts for nothing

  static constexpr std::string_view name = "winner_safeguard";
  template <class Visitor>
  void settings(Visitor& visit) const {
    visit("is_on", is_on);
    visit("mu", mu, between(0, 1));
  }

  /// lambda, from |g_w|^2 and <g_w, g_l>.
  [[nodiscard]] FEWSTEP_HD double operator()(double winner_squared, double along) const {
    if (!is_on || !(along > 0)) return 1;
    const double most = (1 - static_cast<double>(mu)) * winner_squared / along;
    return most < 1 ? most : 1;
  }
};

}  // namespace fewstep

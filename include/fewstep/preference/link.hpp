// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fewstep/core/config.hpp>

#include <cmath>
#include <concepts>
#include <type_traits>

namespace fewstep {

/// What a comparison gave: the log-ratios of policy and reference, log pi - log pi_ref, of what was preferred and of
/// what was not, each over the coordinates labelled so. Of a sample that was judged alone one of them is missing, and
/// 0.
struct member_log_ratios {
  double winner = 0, loser = 0;
  bool has_winner = true, has_loser = true;
  double batch_mean =
      0;  ///< of the log-ratios of an optimizer step's rows but for ties, for links that need_batch_mean
};

/// The loss of a comparison and its derivatives by the two log-ratios.
struct link_value {
  double loss, winner, loser;
};

/// What is made of the log-ratios of a comparison: link(log_ratios) gives a loss to be minimised and its slopes.
///
///   static constexpr bool needs_batch_mean = true;     where it reads batch_mean, which costs a prediction more
///   static constexpr bool refuses_reference = true;    where log-ratios have to be those of the policy alone
///
/// The compiler cannot check: the functor is pure and callable from device code; slopes are derivatives of the loss.
///
/// Smallest model:
///   struct plain_difference {
///     FEWSTEP_HD link_value operator()(const member_log_ratios& r) const { return {r.loser - r.winner, -1, 1}; }
///   };
template <class L>
concept preference_link = std::is_trivially_copyable_v<L> && requires(const L link, const member_log_ratios& r) {
  { link(r) } -> std::same_as<link_value>;
};

namespace detail {

template <class L>
consteval bool needs_batch_mean() {
  if constexpr (requires { L::needs_batch_mean; })
    return L::needs_batch_mean;
  else
    return false;
}

template <class L>
consteval bool refuses_reference() {
  if constexpr (requires { L::refuses_reference; })
    return L::refuses_reference;
  else
    return false;
}

/// Whether L models preference_link; where it does not, the compiler says what is missing.
template <class L>
consteval bool require_preference_link() {
  static_assert(std::is_trivially_copyable_v<L>,
                "fewstep::preference_link: it must be trivially copyable, since kernels take it by value");
  static_assert(preference_link<L>,
                "fewstep::preference_link: link_value operator()(const member_log_ratios&) const is missing");
  return preference_link<L>;
}

/// log(1 + e^x), without overflow; log 2 at 0.
[[nodiscard]] FEWSTEP_HD inline double softplus(double x) {
  return (x > 0 ? x : 0.0) + std::log1p(std::exp(x > 0 ? -x : x));
}
[[nodiscard]] FEWSTEP_HD inline double logistic(double x) {
  const double e = std::exp(x > 0 ? -x : x);
  return (x > 0 ? 1.0 : e) / (1.0 + e);
}

}  // namespace detail

}  // namespace fewstep

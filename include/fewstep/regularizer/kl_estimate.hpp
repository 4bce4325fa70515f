// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fewstep/core/config.hpp>
#include <fewstep/sampler/step_table.hpp>

#include <cmath>
#include <concepts>
#include <string_view>
#include <type_traits>

/// How a regularizer measures KL(pi, ref) of a policy and a reference at a transition, and what it needs of the score
/// pass for that: the argument of an estimate says it, and nothing else is computed.
///
/// In a loss, an estimate of samples is differentiated with the samples fixed. That need not be the gradient of what it
/// estimates. With r = ref / pi at a sample of pi:
///
///   estimate                 value          expectation         expectation of its gradient
///   exact                    closed form    KL(pi, ref)         grad KL(pi, ref), without noise
///   k1                       -log r         KL(pi, ref)         0: nothing but noise, so for reports only
///   k2                       (log r)^2 / 2  near KL(pi, ref)    grad KL(pi, ref)
///   k3                       r - 1 - log r  KL(pi, ref)         grad KL(ref, pi)
///   importance_weighted<k1>  w k1           KL(pi, ref)         grad KL(pi, ref)
///   importance_weighted<k3>  w k3           KL(pi, ref)         grad KL(pi, ref)
///
/// The last two hold for samples of any pi_old, with w = pi / pi_old. Between Gaussians of one deviation, as all steps
/// of the samplers are, both KLs are the same number, and exact is the estimate to take; E[k2] is KL + KL^2 / 2 there.
/// The variance of k3 grows as exp(2 KL) of the whole sample: far from the reference r is near 0 in all samples but
/// very few, and k3's gradient is k1's.

namespace fewstep {

/// Of any policy: what policy and reference say of the action x' that was taken, all of its values together.
struct taken_action {
  double log_ratio;       ///< log pi_ref(x') - log pi(x')
  double log_importance;  ///< log pi(x') - log pi_old(x'); exactly 0 until the first optimizer step after a rollout
};

/// Of a policy and a reference that are Gaussians of one deviation: their KL, which needs the means.
struct gaussian_pair {
  double kl;  ///< reduced over the values of the action, as the log-probability is
};

/// An estimate and its derivative: by log pi(x') where it is made of a taken_action, by the KL for a gaussian_pair.
struct kl_term {
  double value, slope;
};

/// E makes a KL of what is Known of a transition (taken_action, gaussian_pair). An estimate of a taken action is of the
/// whole action, since the exponential of a mean is no ratio of densities, and is divided by the number of its values
/// afterwards where log-probabilities are means; so a coefficient means the same with every estimate.
///
/// The compiler cannot check: pure, callable from device code (FEWSTEP_HD), slope is the derivative of value.
///
/// Smallest model:
///   struct squared_log_ratio {
///     FEWSTEP_HD kl_term operator()(taken_action a) const { return {a.log_ratio * a.log_ratio, -2 * a.log_ratio}; }
///   };
template <class E, class Known>
concept estimates_kl_from = std::is_trivially_copyable_v<E> && std::default_initializable<E> &&
    requires(const E e, Known known) {
  { e(known) } -> std::same_as<kl_term>;
};

/// The KL estimates of the library. k1, k2 and k3: Schulman 2020, "Approximating KL divergence",
/// http://joschu.net/blog/kl-approx.html; k3 as the regularizer of GRPO: Shao et al. 2024, arXiv:2402.03300, eq. 4.
namespace kl_estimate {

/// The KL itself, in closed form.
struct exact {
  static constexpr std::string_view name = "exact";
  [[nodiscard]] FEWSTEP_HD constexpr kl_term operator()(gaussian_pair g) const { return {g.kl, 1}; }
};

struct k1 {
  static constexpr std::string_view name = "k1";
  [[nodiscard]] FEWSTEP_HD constexpr kl_term operator()(taken_action a) const { return {-a.log_ratio, 1}; }
};

struct k2 {
  static constexpr std::string_view name = "k2";
  [[nodiscard]] FEWSTEP_HD constexpr kl_term operator()(taken_action a) const {
    return {0.5 * a.log_ratio * a.log_ratio, -a.log_ratio};
  }
};

struct k3 {
  static constexpr std::string_view name = "k3";
  [[nodiscard]] FEWSTEP_HD kl_term operator()(taken_action a) const {
    const double above_one = std::expm1(a.log_ratio);
    return {above_one - a.log_ratio, -above_one};
  }
};

/// pi / pi_old times another estimate, the weight being differentiated too: estimates without bias, and gradients
/// without bias of those, from samples of an older policy (for k3: DeepSeek-V3.2, 2025, arXiv:2512.02556, eq. 7).
template <class Estimate>
struct importance_weighted {
  static constexpr std::string_view name = "importance_weighted";
  template <class Visitor>
  void settings(Visitor& visit) const {
    visit.part("of", of);
  }
  Estimate of{};

  [[nodiscard]] FEWSTEP_HD kl_term operator()(taken_action a) const {
    const double weight = std::exp(a.log_importance);
    const kl_term term = of(a);
    return {weight * term.value, weight * (term.value + term.slope)};
  }
};

}  // namespace kl_estimate

namespace detail {

template <class E>
concept estimates_kl = estimates_kl_from<E, taken_action> || estimates_kl_from<E, gaussian_pair>;

/// Whether a score pass has to compare policy and reference at the action that was taken.
template <class E>
inline constexpr bool needs_taken_action = !estimates_kl_from<E, gaussian_pair>;

/// Whether E makes a KL of what is known of a policy's transitions; where it does not, the compiler says what is
/// missing. Of a policy with Gaussian steps all is known, of any other a taken_action.
template <class E, bool Gaussian = true>
consteval bool require_kl_estimate() {
  constexpr bool of_action = estimates_kl_from<E, taken_action>;
  constexpr bool copies = std::is_trivially_copyable_v<E>, starts = std::default_initializable<E>;
  static_assert(copies,
                "fewstep::kl_estimate: it must be trivially copyable (numbers only), since kernels take it by value");
  static_assert(!copies || starts,
                "fewstep::kl_estimate: it must be default constructible; give its numbers a value to begin with");
  static_assert(!copies || !starts || estimates_kl<E>,
                "fewstep::kl_estimate: kl_term operator()(taken_action) const, or of a gaussian_pair, is missing");
  static_assert(Gaussian || of_action || !estimates_kl<E>,
                "fewstep::kl_estimate: this is the KL of Gaussian steps in closed form, and of this policy only the "
                "log-probabilities of actions are known; take kl_estimate::k2 or kl_estimate::k3");
  return Gaussian ? estimates_kl<E> : of_action;
}

/// KL of two Gaussians of a step's deviation whose means are b o and b o', from |o - o'|^2.
[[nodiscard]] FEWSTEP_HD inline double gaussian_kl(double squared_distance, const step_row& row, double reduce) {
  const double b = static_cast<double>(row.b),
               variance = static_cast<double>(row.sigma) * static_cast<double>(row.sigma);
  return squared_distance * b * b * reduce / (2.0 * variance);
}

/// log-density of x' under a step with output o' less that with output o, from the sum over values of
/// d (2 residual + b d), where d = o - o' and residual = x' - a x - b o.
[[nodiscard]] FEWSTEP_HD inline double gaussian_log_ratio(double sum, const step_row& row) {
  const double b = static_cast<double>(row.b),
               variance = static_cast<double>(row.sigma) * static_cast<double>(row.sigma);
  return -sum * b / (2.0 * variance);
}

}  // namespace detail

}  // namespace fewstep

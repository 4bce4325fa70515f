// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fewstep/core/error.hpp>
#include <fewstep/core/settings.hpp>
#include <fewstep/core/view.hpp>

#include <algorithm>
#include <cmath>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace fewstep {

/// The flat arrays of one optimizer step, all of one length. `average` (may be empty) is the exponential moving average
/// of the parameters; it is updated in the same pass.
struct optimizer_arrays {
  vec<float> parameters;
  vec<const float> gradients;
  vec<float> ema{};
  float ema_decay = 0;  ///< average = decay average + (1 - decay) parameters
};

/// Factors of one step: `rate` multiplies the learning rate (schedules), `gradient` multiplies every gradient
/// (clipping).
struct step_scale {
  float rate = 1;
  float gradient = 1;
};

namespace detail {

template <class O, class Backend>
concept has_state = requires {
  typename O::template state<Backend>;
};
template <class O, class Backend>
concept has_make_state = requires(const O& o, Backend& backend, index_t n) {
  { o.make_state(backend, n) } -> std::same_as<typename O::template state<Backend>>;
};
template <class O>
concept has_state_bytes = requires(const O& o, index_t n) {
  { o.state_bytes(n) } -> std::convertible_to<std::size_t>;
};
template <class O, class Backend>
concept has_update = requires(const O& o, Backend& backend, typename O::template state<Backend>& s,
                              const optimizer_arrays& arrays, step_scale scale) {
  { o.update(backend, s, arrays, scale) } -> std::same_as<void>;
};

}  // namespace detail

/// How flat parameters follow flat gradients of a loss to be minimised: one pass over the arrays.
///
/// The settings are an aggregate; what changes from step to step is a state on the backend, so one optimizer object may
/// drive several models. The compiler cannot check: an element's update depends on that element and on the number of
/// steps only; state has serialize(archive); state_bytes(n) is what the arrays of make_state(backend, n) take.
///
/// Smallest model:
///   struct plain_descent {
///     template <class Backend> struct state { template <class A> void serialize(A&) {} };
///     template <class Backend> state<Backend> make_state(Backend&, index_t) const { return {}; }
///     std::size_t state_bytes(index_t) const { return 0; }
///     template <class Backend>
///     void update(Backend& backend, state<Backend>&, const optimizer_arrays& a, step_scale s) const { ... }
///   };
template <class O, class Backend>
concept optimizer = detail::has_state<O, Backend> && detail::has_make_state<O, Backend> && detail::has_state_bytes<O> &&
    detail::has_update<O, Backend>;

namespace detail {

/// Whether O models optimizer; where it does not, the compiler says what is missing.
template <class O, class Backend>
consteval bool require_optimizer() {
  static_assert(has_state<O, Backend>,
                "fewstep::optimizer: template <class Backend> struct state is missing; it holds what changes from step "
                "to step");
  static_assert(has_state_bytes<O>,
                "fewstep::optimizer: std::size_t state_bytes(index_t parameters) const is missing; it says what the "
                "arrays of the state take, for the memory plan");
  if constexpr (has_state<O, Backend>) {
    static_assert(has_make_state<O, Backend>,
                  "fewstep::optimizer: state<Backend> make_state(Backend&, index_t parameters) const is missing");
    static_assert(
        has_update<O, Backend>,
        "fewstep::optimizer: void update(Backend&, state<Backend>&, const optimizer_arrays&, step_scale) const "
        "is missing");
  }
  return optimizer<O, Backend>;
}

struct square_of {
  const float* values;
  FEWSTEP_HD double operator()(index_t i) const {
    return static_cast<double>(values[i]) * static_cast<double>(values[i]);
  }
};

}  // namespace detail

/// Euclidean norm of a flat gradient; the same bits for any number of threads.
template <class Backend>
[[nodiscard]] double gradient_norm(Backend& backend, vec<const float> gradients) {
  return std::sqrt(backend.sum(gradients.size(), detail::square_of{gradients.data}));
}

/// Factor that brings a gradient of this norm to at most `largest` (Pascanu et al. 2013); 1 where largest is 0.
[[nodiscard]] inline float clip_factor(double norm, float largest) {
  if (largest <= 0) return 1.0f;
  return static_cast<float>(std::min(1.0, static_cast<double>(largest) / (norm + 1e-6)));
}

/// Piecewise linear factor of the learning rate over the updates of a run: up from 0 to 1 over `warmup` updates, 1
/// until `hold` (or the end of the warmup, if that is later), then linearly down to `final` at `total`; `final` from
/// there on. The default is constant. RLCM's published decay is .total = 3 x updates, .final = 0, which ends at 2/3.
struct rate_schedule {
  std::int64_t warmup = 0, hold = 0, total = 0;
  float final = 0;

  static constexpr std::string_view name = "rate_schedule";
  template <class Visitor>
  void settings(Visitor& visit) const {
    visit("warmup", warmup, at_least(0));
    visit("hold", hold, at_least(0));
    visit("total", total, at_least(0));
    visit("final", final, at_least(0));
  }

  /// Factor of update `index` (from 0).
  [[nodiscard]] float operator()(std::int64_t index) const {
    if (index < warmup) return static_cast<float>(static_cast<double>(index + 1) / static_cast<double>(warmup));
    const std::int64_t begin = std::max(hold, warmup);
    if (total <= 0 || index < begin) return 1.0f;
    if (index >= total) return final;
    const double fraction = static_cast<double>(index - begin) / static_cast<double>(total - begin);
    return static_cast<float>(1.0 + (static_cast<double>(final) - 1.0) * fraction);
  }
};

}  // namespace fewstep

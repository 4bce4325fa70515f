// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fewstep/core/archive_within.hpp>
#include <fewstep/core/config.hpp>
#include <fewstep/core/packet.hpp>
#include <fewstep/core/parameter_kind.hpp>
#include <fewstep/core/sizes.hpp>
#include <fewstep/core/tensor.hpp>
#include <fewstep/optimizer/optimizer_arrays.hpp>

#include <array>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <string>
#include <type_traits>
#include <utility>

namespace fewstep {

namespace detail {

template <class O>
concept has_moments = requires(const O& o) {
  typename std::integral_constant<int, O::moments>;
  { o.learning_rate } -> std::convertible_to<float>;
}
&&O::moments >= 0;

/// What an element's step is given of so many moments.
template <int Moments>
using moment_array = float (&)[static_cast<std::size_t>(Moments > 0 ? Moments : 1)];

/// Whether F moves an element; `Last` follow the moments, which are left out where there are none.
template <class F, int Moments, class... Last>
concept moves_element = (Moments == 0 && std::invocable<const F&, float&, float, Last...>) ||
                        (Moments > 0 && std::invocable<const F&, float&, float, moment_array<Moments>, Last...>);

template <class O>
concept counts_in_at = requires(const O& o, double rate, std::int64_t step) {
  o.at(rate, step);
};
template <class O>
concept has_at = counts_in_at<O> || requires(const O& o, double rate) {
  o.at(rate);
};
template <class O>
concept counts_in_element = !has_at<O> && moves_element<O, O::moments, float, std::int64_t>;

/// Whether the number of steps is a part of the state.
template <class O>
inline constexpr bool counts_steps = counts_in_at<O> || counts_in_element<O>;

/// An optimizer's own operator(), with what is the same for all elements of a step.
template <class O>
struct plain_step {
  O optimizer;
  float rate;
  std::int64_t step;

  template <class... Moments>
  FEWSTEP_HD void operator()(float& parameter, float gradient, Moments&... moments) const {
    if constexpr (counts_in_element<O>)
      optimizer(parameter, gradient, moments..., rate, step);
    else
      optimizer(parameter, gradient, moments..., rate);
  }
};

template <class O>
[[nodiscard]] auto step_of(const O& o, double rate, std::int64_t step) {
  if constexpr (requires { typename O::optimizer_type; })  // scheduled: its schedule is nothing for an element
    return step_of<typename O::optimizer_type>(o, rate, step);
  else if constexpr (counts_in_at<O>)
    return o.at(rate, step);
  else if constexpr (has_at<O>)
    return o.at(rate);
  else
    return plain_step<O>{o, static_cast<float>(rate), step};
}

template <class O>
concept has_element = has_at<O> || counts_in_element<O> || moves_element<O, O::moments, float>;

}  // namespace detail

/// An optimizer that says how one parameter follows its gradient; the library does the rest: the arrays of the state,
/// clipping, schedule, EMA, checkpoints, memory plans, packets, and the kernel on a GPU.
///
/// Smallest model (Lion: Chen et al. 2023, arXiv:2302.06675):
///   struct lion {
///     static constexpr int moments = 1;  // floats that are kept for each parameter; zero at the start
///     float learning_rate = 1e-4f, beta1 = 0.9f, beta2 = 0.99f;
///     FEWSTEP_HD void operator()(float& p, float g, float (&m)[1], float rate) const {
///       const float c = m[0] + (1 - beta1) * (g - m[0]);
///       p -= rate * float((c > 0) - (c < 0));
///       m[0] += (1 - beta2) * (g - m[0]);
///     }
///   };
/// g is the clipped gradient, rate the learning_rate of the schedule. Without moments, m is left out. A last parameter
/// `std::int64_t step`, from 1, makes the number of steps a part of the state. What is the same for all parameters of
/// a step can be made once for it, by `at(double rate, std::int64_t step) const` or `at(double rate) const` instead:
/// it returns the function object (p, g, m) of an element, as adam does; a last parameter of that, `parameter_kind`,
/// says what the element is for (adamw), where `bool reads_kinds() const` is true. `moment_names` are the moments'
/// names in a checkpoint, moment0, ... where they are left out.
///
/// The compiler cannot check: all state is in p and m. Where no sum has two products, an element has the same bits
/// wherever it stands (a compiler that fuses multiply-adds has then one way only to do it).
template <class O>
concept elementwise_optimizer = detail::has_moments<O> && detail::has_element<O>;

namespace detail {

template <class O>
[[nodiscard]] std::string moment_name(std::size_t k) {
  if constexpr (requires { O::moment_names[k]; })
    return std::string(O::moment_names[k]);
  else
    return "moment" + std::to_string(k);
}

/// Moments, and the number of steps where it matters.
template <class O, class Backend>
struct elementwise_state {
  std::array<tensor<float, 1, Backend>, static_cast<std::size_t>(O::moments)> moments;
  std::int64_t steps = 0;

  elementwise_state() = default;
  elementwise_state(Backend& backend, index_t n) {
    for (auto& moment : moments) moment = tensor<float, 1, Backend>(backend, {n});
  }

  template <class Archive>
  void serialize(Archive& archive) {
    std::size_t k = 0;
    for (auto& moment : moments) archive(moment_name<O>(k++), moment.view());
    if constexpr (counts_steps<O>) archive_count(archive, "steps", steps);
  }
};

/// One step of an element and, where HasEma, of the EMA: a condition in the loop would cost more than the
/// arithmetic.
template <class Step, int Moments, bool HasEma, bool HasKinds>
struct elementwise_kernel {
  static constexpr std::size_t arrays = Moments > 0 ? std::size_t{Moments} : 1;

  float* parameters;
  const float* gradients;
  float* moments[arrays];
  float* ema;
  const parameter_kind* kinds;
  Step step;
  float gradient_scale, toward_average;

  FEWSTEP_HD void operator()(index_t i) const {
    float m[arrays] = {}, unused = 0;
    for (int k = 0; k < Moments; ++k) m[k] = moments[k][i];
    advance(parameters[i], gradients[i], m, HasEma ? ema[i] : unused, kind_of(i));
    for (int k = 0; k < Moments; ++k) moments[k][i] = m[k];
  }

  /// Elements [i, i + 4), where all arrays begin on packets.
  FEWSTEP_HD void packet(index_t i) const {
    float_packet p = load_packet(parameters + i), kept[arrays] = {}, mean{};
    const float_packet g = load_packet(gradients + i);
    for (int k = 0; k < Moments; ++k) kept[k] = load_packet(moments[k] + i);
    if constexpr (HasEma) mean = load_packet(ema + i);
    for (int lane = 0; lane < 4; ++lane) {
      float m[arrays] = {};
      for (int k = 0; k < Moments; ++k) m[k] = kept[k][lane];
      advance(p[lane], g[lane], m, mean[lane], kind_of(i + lane));
      for (int k = 0; k < Moments; ++k) kept[k][lane] = m[k];
    }
    store_packet(parameters + i, p);
    for (int k = 0; k < Moments; ++k) store_packet(moments[k] + i, kept[k]);
    if constexpr (HasEma) store_packet(ema + i, mean);
  }
  [[nodiscard]] bool on_packets() const {
    bool all = detail::on_packets(parameters, gradients, ema);
    for (int k = 0; k < Moments; ++k) all = all && detail::on_packets(moments[k]);
    return all;
  }

 private:
  [[nodiscard]] FEWSTEP_HD parameter_kind kind_of(index_t i) const {
    if constexpr (HasKinds)
      return kinds[i];
    else
      return parameter_kind::weight;
  }

  FEWSTEP_HD void advance(float& parameter, float gradient, float (&m)[arrays], float& smoothed,
                          parameter_kind kind) const {
    const float g = gradient * gradient_scale;
    float p = parameter;
    if constexpr (HasKinds || !moves_element<Step, Moments>) {
      if constexpr (Moments > 0)
        step(p, g, m, kind);
      else
        step(p, g, kind);
    } else {
      static_cast<void>(kind);
      if constexpr (Moments > 0)
        step(p, g, m);
      else
        step(p, g);
    }
    parameter = p;
    if constexpr (HasEma) smoothed += toward_average * (p - smoothed);
  }
};

template <class O, class Backend>
void elementwise_step(const O& o, Backend& backend, elementwise_state<O, Backend>& s, const optimizer_arrays& a,
                      step_scale scale) {
  ++s.steps;
  const double rate = static_cast<double>(o.learning_rate) * static_cast<double>(scale.rate);
  const auto step = step_of(o, rate, s.steps);
  using step_type = std::remove_const_t<decltype(step)>;
  constexpr int moments = O::moments;
  const auto run = [&]<bool HasEma, bool HasKinds>(std::bool_constant<HasEma>, std::bool_constant<HasKinds>) {
    elementwise_kernel<step_type, moments, HasEma, HasKinds> kernel{
        a.parameters.data, a.gradients.data, {}, a.ema.data, a.kinds.data, step, scale.gradient, 1.0f - a.ema_decay};
    float** array = kernel.moments;
    for (auto& moment : s.moments) *array++ = moment.data();
    backend.for_each(a.parameters.size(), kernel);
  };
  const auto with_kinds = [&](auto has_ema) {
    if constexpr (moves_element<step_type, moments, parameter_kind>) {
      if (a.kinds.size() > 0) return run(has_ema, std::true_type{});
    }
    run(has_ema, std::false_type{});
  };
  if (a.ema.size() > 0)
    with_kinds(std::true_type{});
  else
    with_kinds(std::false_type{});
}

}  // namespace detail

}  // namespace fewstep

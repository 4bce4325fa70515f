// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fewstep/core/view.hpp>
#include <fewstep/generator/generator.hpp>
#include <fewstep/regularizer/kl_estimate.hpp>

#include <concepts>
#include <cstddef>
#include <string_view>
#include <utility>

namespace fewstep {

namespace detail {

template <class R>
concept has_reference_flag = requires {
  { R::has_reference } -> std::convertible_to<bool>;
};
template <class R>
concept has_coefficient = requires(const R& r) {
  { r.coefficient() } -> std::same_as<float>;
};
template <class R, class Backend>
concept has_regularizer_memory = requires(R& r, const R& cr, Backend& backend, index_t n) {
  { cr.workspace_bytes(backend, n) } -> std::convertible_to<std::size_t>;
  { r.prepare(backend, n) } -> std::same_as<void>;
};
template <class R, class Backend, class Context>
concept has_reference_output = requires(R& r, Backend& backend, batch<Context> rows, matrix<float> o) {
  { r.reference_output(backend, rows, o) } -> std::same_as<void>;
};

/// How a regularizer measures the KL.
template <class R>
[[nodiscard]] constexpr auto kl_estimate_of(const R& regularizer) {
  if constexpr (requires { regularizer.estimate(); })
    return regularizer.estimate();
  else
    return kl_estimate::exact{};
}
template <class R>
using kl_estimate_type = decltype(kl_estimate_of(std::declval<const R&>()));
/// The name of that for reports; empty where there is no reference.
template <class R>
[[nodiscard]] constexpr std::string_view kl_estimate_name(const R&) {
  if constexpr (!R::has_reference)
    return {};
  else if constexpr (requires { kl_estimate_type<R>::name; })
    return kl_estimate_type<R>::name;
  else
    return "the regularizer's own";
}

}  // namespace detail

/// What keeps the policy near a reference: for the replayed rows it gives the reference's network output, and the score
/// kernel adds coefficient() * KL(policy, reference) of each trained transition to the loss. The KL is exact, or
/// measured as `E estimate() const` says where there is one: see kl_estimate.hpp for these and for what they need.
///
/// The compiler cannot check: the reference does not change while it is in use.
///
/// Smallest model:
///   struct pull_to_zero {
///     static constexpr bool has_reference = true;
///     float coefficient() const { return 2; }
///     std::size_t workspace_bytes(const cpu_backend&, index_t) const { return 0; }
///     void prepare(cpu_backend&, index_t) {}
///     void reference_output(cpu_backend&, batch<int>, matrix<float> o) { std::fill(o.begin(), o.end(), 0.0f); }
///   };
template <class R, class Backend, class Context>
concept regularizer =
    detail::has_reference_flag<R> && detail::has_coefficient<R> && detail::has_regularizer_memory<R, Backend> &&
    detail::has_reference_output<R, Backend, Context> && detail::estimates_kl<detail::kl_estimate_type<R>>;

namespace detail {

/// Whether R models regularizer; where it does not, the compiler says what is missing.
template <class R, class Backend, class Context>
consteval bool require_regularizer() {
  static_assert(has_reference_flag<R>, "fewstep::regularizer: static constexpr bool has_reference is missing");
  static_assert(has_coefficient<R>, "fewstep::regularizer: float coefficient() const is missing");
  static_assert(has_regularizer_memory<R, Backend>,
                "fewstep::regularizer: std::size_t workspace_bytes(const Backend&, index_t rows) const or void "
                "prepare(Backend&, index_t rows) is missing");
  static_assert(
      has_reference_output<R, Backend, Context>,
      "fewstep::regularizer: void reference_output(Backend&, batch<Context> rows, matrix<float> o) is missing");
  return require_kl_estimate<kl_estimate_type<R>>() && regularizer<R, Backend, Context>;
}

}  // namespace detail

/// Nothing holds the policy back, as RLCM and DDPO were published. Recognised at compile time; it costs nothing.
struct no_regularizer {
  static constexpr bool has_reference = false;
  static constexpr std::string_view name = "no_regularizer";
  template <class Visitor>
  void settings(Visitor&) const {}

  [[nodiscard]] float coefficient() const { return 0; }
  template <class Backend>
  [[nodiscard]] std::size_t workspace_bytes(const Backend&, index_t) const {
    return 0;
  }
  template <class Backend>
  void prepare(Backend&, index_t) {}
  template <class Backend, class Context>
  void reference_output(Backend&, batch<Context>, matrix<float>) {}
};

}  // namespace fewstep

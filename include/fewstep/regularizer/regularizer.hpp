// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fewstep/core/view.hpp>
#include <fewstep/generator/generator.hpp>

#include <concepts>
#include <cstddef>

namespace fewstep {

/// What keeps the policy near a reference: for the replayed rows it gives the reference's network output, and the score
/// kernel adds coefficient() * KL(policy, reference) of each trained transition to the loss.
///
/// The compiler cannot check: the reference does not change while it is in use.
///
/// Models here: no_regularizer (recognised at compile time, costs nothing), kl_to_reference.
template <class R, class Backend, class Context>
concept regularizer = requires(R& r, const R& cr, Backend& backend, batch<Context> rows, matrix<float> o, index_t n) {
  { R::has_reference } -> std::convertible_to<bool>;
  { cr.coefficient() } -> std::same_as<float>;
  { cr.workspace_bytes(backend, n) } -> std::convertible_to<std::size_t>;
  { r.prepare(backend, n) } -> std::same_as<void>;
  { r.reference_output(backend, rows, o) } -> std::same_as<void>;
};

/// Nothing holds the policy back, as RLCM and DDPO were published.
struct no_regularizer {
  static constexpr bool has_reference = false;
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

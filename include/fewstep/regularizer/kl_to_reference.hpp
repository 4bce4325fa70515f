// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fewstep/core/settings.hpp>
#include <fewstep/core/view.hpp>
#include <fewstep/generator/batch.hpp>
#include <fewstep/regularizer/frozen_reference.hpp>
#include <fewstep/regularizer/kl_estimate.hpp>
#include <fewstep/regularizer/regularizer.hpp>
#include <fewstep/sampler/step_table.hpp>

#include <concepts>
#include <cstddef>
#include <string_view>

namespace fewstep {

/// coefficient * KL(policy, reference) per trained transition, exact because both are Gaussians of one variance:
///   KL = b^2 |o - o_ref|^2 / (2 sigma^2), taken as the mean over D where the log-probability is
/// (Fan et al. 2023, DPOK, arXiv:2305.16381, section 4.2, per step), or another estimate of it:
///
///     kl_to_reference(base, {.coefficient = 0.04f}, kl_estimate::k3{})
///
/// The reference is any predictor of the same samples under the same preconditioning, held by reference and never
/// trained; it must outlive the trainer. The model itself, or what shares its parameters, is refused: it would move
/// along, and the KL be 0 for ever. Where only adapters are trained, base() of the model is a reference that takes no
/// memory of its own. A copy is made before its use: it has the reference, the options and the estimate, and is yet to
/// be prepared.
template <class Reference, class Estimate = kl_estimate::exact>
class kl_to_reference {
 public:
  struct options {
    float coefficient = 0.03f;

    static constexpr std::string_view name = "kl_to_reference";
    template <class Visitor>
    void settings(Visitor& visit) const {
      visit("coefficient", coefficient, at_least(0));
    }
  };
  static constexpr bool has_reference = true;
  static constexpr std::string_view name = options::name;
  template <class Visitor>
  void settings(Visitor& visit) const {
    options_.settings(visit);
    reference_.settings(visit);
    // Checkpoints say how a KL is measured where it is not exact.
    if constexpr (!std::same_as<Estimate, kl_estimate::exact>) visit.part("estimate", estimate_);
  }

  explicit kl_to_reference(Reference& reference) : kl_to_reference(reference, options{}) {}
  kl_to_reference(Reference& reference, options o, Estimate estimate = {})
      : reference_(reference), options_(checked(o)), estimate_(checked_part(estimate)) {}
  kl_to_reference(Reference&&, options = {}, Estimate = {}) = delete;

  [[nodiscard]] float coefficient() const { return options_.coefficient; }
  [[nodiscard]] Estimate estimate() const { return estimate_; }
  /// The reference's workspace, and what it makes of its parameters at its first prediction.
  template <class Backend>
  [[nodiscard]] std::size_t workspace_bytes(const Backend& backend, index_t) const {
    return reference_.bytes(backend);
  }
  /// Throws std::invalid_argument if the outputs of the reference do not mean what those of the model mean, or if it is
  /// the model.
  template <class Model>
  void expect_same_outputs(Model& model, const step_table& table) const {
    reference_.expect_other_than(model, name, "the KL would be 0 for ever");
    for (const step_row& row : table.rows) reference_.expect_same_output(model, row.time, name);
  }
  template <class Backend>
  void prepare(Backend& backend, index_t) {
    reference_.prepare(backend);
  }
  template <class Backend>
  void reference_output(Backend& backend, batch<typename Reference::context_type> rows, matrix<float> o) {
    reference_.output(backend, rows, o);
  }

 private:
  frozen_reference<Reference> reference_;
  options options_;
  [[no_unique_address]] Estimate estimate_;
};

}  // namespace fewstep

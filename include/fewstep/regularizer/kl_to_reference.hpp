// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fewstep/core/error.hpp>
#include <fewstep/core/settings.hpp>
#include <fewstep/core/sizes.hpp>
#include <fewstep/generator/generator.hpp>
#include <fewstep/generator/preconditioning.hpp>
#include <fewstep/regularizer/kl_estimate.hpp>
#include <fewstep/regularizer/regularizer.hpp>
#include <fewstep/sampler/step_table.hpp>

#include <concepts>
#include <cstddef>
#include <optional>
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
    visit.part("reference", *reference_);
    // Checkpoints say how a KL is measured where it is not exact.
    if constexpr (!std::same_as<Estimate, kl_estimate::exact>) visit.part("estimate", estimate_);
  }

  explicit kl_to_reference(Reference& reference) : kl_to_reference(reference, options{}) {}
  kl_to_reference(Reference& reference, options o, Estimate estimate = {})
      : reference_(&reference), options_(checked(o)), estimate_(checked_part(estimate)) {}
  kl_to_reference(Reference&&, options = {}, Estimate = {}) = delete;
  kl_to_reference(const kl_to_reference& other) : kl_to_reference(*other.reference_, other.options_, other.estimate_) {}
  kl_to_reference& operator=(const kl_to_reference& other) { return *this = kl_to_reference(other); }
  kl_to_reference(kl_to_reference&&) noexcept = default;
  kl_to_reference& operator=(kl_to_reference&&) noexcept = default;

  [[nodiscard]] float coefficient() const { return options_.coefficient; }
  [[nodiscard]] Estimate estimate() const { return estimate_; }
  /// The reference's workspace, and what it makes of its parameters at its first prediction.
  template <class Backend>
  [[nodiscard]] std::size_t workspace_bytes(const Backend& backend, index_t) const {
    return (saturated_size(detail::workspace_bytes(backend, *reference_, 0)) + detail::held_bytes(*reference_, false))
        .value();
  }
  /// Throws std::invalid_argument if the outputs of the reference do not mean what those of the model mean, or if it is
  /// the model.
  template <class Model>
  void expect_same_outputs(Model& model, const step_table& table) const {
    expects(
        !detail::share_parameters(*reference_, model),
        "kl_to_reference: the reference has the parameters of the model that is trained, so the KL would be 0 for "
        "ever; give a second generator with a copy of the parameters before training, or base() of one with adapters");
    expects(reference_->sample_size() == model.sample_size(), [&] {
      return message("kl_to_reference: the reference has samples of ", reference_->sample_size(),
                     " values, the model of ", model.sample_size(), "; use a copy of the model before training");
    });
    for (const step_row& row : table.rows) {
      const coefficients mine = model.preconditioner()(row.time), theirs = reference_->preconditioner()(row.time);
      expects(mine.in == theirs.in && mine.skip == theirs.skip && mine.out == theirs.out, [&] {
        return message("kl_to_reference: reference and model have different preconditionings at time ", row.time,
                       "; use a copy of the model before training");
      });
    }
  }
  /// A prediction keeps nothing per row, so the workspace is made for none.
  template <class Backend>
  void prepare(Backend& backend, index_t) {
    workspace_.emplace(detail::make_workspace(backend, *reference_, 0));
  }
  template <class Backend>
  void reference_output(Backend& backend, batch<typename Reference::context_type> rows, matrix<float> o) {
    detail::predict(backend, *reference_, rows, o, *workspace_);
  }

 private:
  Reference* reference_;
  options options_;
  [[no_unique_address]] Estimate estimate_;
  std::optional<workspace_of<Reference>> workspace_;
};

}  // namespace fewstep

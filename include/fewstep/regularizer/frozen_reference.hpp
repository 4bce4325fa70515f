// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fewstep/core/error.hpp>
#include <fewstep/core/sizes.hpp>
#include <fewstep/core/view.hpp>
#include <fewstep/generator/generator.hpp>
#include <fewstep/generator/preconditioning.hpp>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

namespace fewstep {

/// What a trained model is compared with: any predictor of the same samples under the same preconditioning, held by
/// reference and never trained; it must outlive the trainer. Where only adapters are trained, base() of the model is
/// one that takes no memory of its own:
///
///   auto base = model.base();
///   preference_parts{.optimizer = adam{}, .reference = frozen_reference(base)}
///
/// A copy is made before its use, and is yet to be prepared.
template <class Reference>
class frozen_reference {
 public:
  using predictor_type = Reference;
  static constexpr bool exists = true;
  static constexpr std::string_view name = "frozen_reference";
  template <class Visitor>
  void settings(Visitor& visit) const {
    visit.part("reference", *reference_);
  }

  explicit frozen_reference(Reference& reference) : reference_(&reference) {}
  explicit frozen_reference(Reference&&) = delete;
  frozen_reference(const frozen_reference& other) : frozen_reference(*other.reference_) {}
  frozen_reference& operator=(const frozen_reference& other) { return *this = frozen_reference(other); }
  frozen_reference(frozen_reference&&) noexcept = default;
  frozen_reference& operator=(frozen_reference&&) noexcept = default;

  [[nodiscard]] Reference& predictor() const { return *reference_; }

  /// Its workspace, and what it makes of its parameters at its first prediction.
  template <class Backend>
  [[nodiscard]] std::size_t bytes(const Backend& backend) const {
    return (saturated_size(detail::workspace_bytes(backend, *reference_, 0)) + detail::held_bytes(*reference_, false))
        .value();
  }
  /// Throws std::invalid_argument, in the name of `who`, if it is the model itself or shares its parameters, and would
  /// move along; `so` says what that would mean.
  template <class Model>
  void expect_other_than(Model& model, std::string_view who, std::string_view so) const {
    expects(!detail::share_parameters(*reference_, model), [&] {
      return message(who, ": the reference has the parameters of the model that is trained, so ", so,
                     "; give a second generator with a copy of the parameters before training, or base() of one with "
                     "adapters");
    });
    expect_same_samples(model, who);
  }
  /// Throws std::invalid_argument if its samples have another size than those of the model.
  template <class Model>
  void expect_same_samples(Model& model, std::string_view who) const {
    expects(reference_->sample_size() == model.sample_size(), [&] {
      return message(who, ": the reference has samples of ", reference_->sample_size(), " values, the model of ",
                     model.sample_size(), "; use a copy of the model before training");
    });
  }
  /// Throws std::invalid_argument if its outputs at a time do not mean what those of the model mean.
  template <class Model>
  void expect_same_output(Model& model, float time, std::string_view who) const {
    const coefficients mine = model.preconditioner()(time), theirs = reference_->preconditioner()(time);
    expects(mine.in == theirs.in && mine.skip == theirs.skip && mine.out == theirs.out, [&] {
      return message(who, ": reference and model have different preconditionings at time ", time,
                     "; use a copy of the model before training");
    });
  }

  /// A prediction keeps nothing per row, so the workspace is made for none.
  template <class Backend>
  void prepare(Backend& backend) {
    workspace_.emplace(detail::make_workspace(backend, *reference_, 0));
  }
  template <class Backend>
  void output(Backend& backend, const batch<typename Reference::context_type>& rows, matrix<float> o) {
    expects(workspace_.has_value(),
            "frozen_reference: it has not been prepared; give it to a trainer when that is made");
    detail::predict(backend, *reference_, rows, o, *workspace_);
  }
  /// The model has been updated `updates` times.
  template <class Backend, class Model>
  void follow(Backend&, Model&, std::int64_t) {}

 private:
  Reference* reference_;
  std::optional<workspace_of<Reference>> workspace_;
};

/// Nothing to be compared with.
struct no_reference {
  static constexpr bool exists = false;
  static constexpr std::string_view name = "no_reference";
  template <class Visitor>
  void settings(Visitor&) const {}
};

}  // namespace fewstep

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fewstep/backend/staged_archive.hpp>
#include <fewstep/core/error.hpp>
#include <fewstep/core/settings.hpp>
#include <fewstep/core/view.hpp>
#include <fewstep/generator/generator.hpp>
#include <fewstep/regularizer/frozen_reference.hpp>

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace fewstep {

/// A reference that becomes the trained model every so many updates: a second generator, whose parameters are replaced.
/// Source: Yang et al. 2023, D3PO, arXiv:2311.13231, section 5.2 (each epoch's model is the next one's reference);
/// Gorbatovski et al. 2024, arXiv:2404.09656, equation 5 (hard updates).
template <class Reference>
class moving_reference {
 public:
  struct options {
    std::int64_t every = 1;  ///< updates

    static constexpr std::string_view name = "moving_reference";
    template <class Visitor>
    void settings(Visitor& visit) const {
      visit("every", every, at_least(1));
    }
  };
  using predictor_type = Reference;
  static constexpr bool exists = true;
  static constexpr std::string_view name = options::name;
  template <class Visitor>
  void settings(Visitor& visit) const {
    options_.settings(visit);
    frozen_.settings(visit);
  }

  explicit moving_reference(Reference& reference) : moving_reference(reference, options{}) {}
  moving_reference(Reference& reference, options o) : frozen_(reference), options_(checked(o)) {}
  moving_reference(Reference&&, options = {}) = delete;

  [[nodiscard]] Reference& predictor() const { return frozen_.predictor(); }
  template <class Backend>
  [[nodiscard]] std::size_t bytes(const Backend& backend) const {
    return frozen_.bytes(backend);
  }
  template <class Model>
  void expect_other_than(Model& model, std::string_view who, std::string_view so) const {
    frozen_.expect_other_than(model, who, so);
    expects(predictor().parameters().size() == model.parameters().size(), [&] {
      return message(who, ": the reference that moves has ", predictor().parameters().size(), " parameters, the model ",
                     model.parameters().size(), "; use a copy of the model");
    });
  }
  template <class Model>
  void expect_same_output(Model& model, float time, std::string_view who) const {
    frozen_.expect_same_output(model, time, who);
  }
  template <class Backend>
  void prepare(Backend& backend) {
    frozen_.prepare(backend);
  }
  template <class Backend>
  void output(Backend& backend, const batch<typename Reference::context_type>& rows, matrix<float> o) {
    frozen_.output(backend, rows, o);
  }
  /// Becomes the model after every `every`-th update.
  template <class Backend, class Model>
  void follow(Backend& backend, Model& model, std::int64_t updates) {
    if (updates % options_.every != 0) return;
    const vec<const float> from = model.parameters();
    backend.copy(from.data, predictor().parameters().data, from.size());
    if constexpr (requires(Reference & r) { r.parameters_changed(); }) predictor().parameters_changed();
  }
  /// What it has become.
  template <class Backend, class Archive>
  void serialize(Backend& backend, Archive& archive) {
    staged(archive, backend)("reference_parameters", predictor().parameters());
    if constexpr (requires(Reference & r) { r.parameters_changed(); }) predictor().parameters_changed();
  }

 private:
  frozen_reference<Reference> frozen_;
  options options_;
};

}  // namespace fewstep

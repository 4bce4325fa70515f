// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fewstep/backend/cpu/backend.hpp>
#include <fewstep/regularizer/kl_estimate.hpp>
#include <fewstep/regularizer/regularizer.hpp>

#include <cstddef>
#include <type_traits>

/// The smallest model of fewstep::regularizer, and models that lack one requirement each.
namespace regularizer_archetype {

using fewstep::cpu_backend;
using fewstep::index_t;

enum class drop { nothing, flag, coefficient, coefficient_type, workspace_bytes, prepare, reference_output };

template <drop D>
struct flagged {
  static constexpr bool has_reference = true;
};
template <>
struct flagged<drop::flag> {};

template <drop D = drop::nothing>
struct archetype : flagged<D> {
  archetype() = delete;
  archetype(const archetype&) = delete;
  archetype& operator=(const archetype&) = delete;

  std::conditional_t<D == drop::coefficient_type, double, float> coefficient() const requires(D != drop::coefficient);
  std::size_t workspace_bytes(const cpu_backend&, index_t) const requires(D != drop::workspace_bytes);
  void prepare(cpu_backend&, index_t) requires(D != drop::prepare);
  void reference_output(cpu_backend&, fewstep::batch<int>,
                        fewstep::matrix<float>) requires(D != drop::reference_output);
};

/// The smallest estimate of a KL, and what is none.
struct estimate {
  fewstep::kl_term operator()(fewstep::taken_action) const;
};
struct closed_form {
  fewstep::kl_term operator()(fewstep::gaussian_pair) const;
};
struct estimate_of_floats {
  float operator()(fewstep::taken_action) const;
};
struct estimate_with_memory : estimate {
  estimate_with_memory(const estimate_with_memory&);
};
struct estimate_of_a_number : estimate {
  explicit estimate_of_a_number(double);
};

template <class Estimate>
struct estimating : archetype<> {
  Estimate estimate() const;
};

}  // namespace regularizer_archetype

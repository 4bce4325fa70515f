// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fewstep/backend/backend.hpp>
#include <fewstep/core/settings.hpp>
#include <fewstep/generator/generator.hpp>
#include <fewstep/testing/generator_bits.hpp>
#include <fewstep/testing/generator_derivatives.hpp>
#include <fewstep/testing/generator_trial.hpp>

#include <cstdint>
#include <string_view>

namespace fewstep {

struct check_generator_options {
  double tolerance = 0.02;  ///< of gradients, relative to their norm; a network with kinks (ReLU) may need more
  std::uint64_t seed = 0;   ///< of states, of the gradient by o, of directions

  static constexpr std::string_view name = "check_generator";
  template <class Visitor>
  void settings(Visitor& visit) const {
    visit("tolerance", tolerance, above(0));
    visit("seed", seed);
  }
};

/// Tries on a few dozen rows, whose times cover the whole range and whose contexts are those given, what
/// fewstep::generator promises and the compiler cannot check. Throws std::invalid_argument with a sentence about the
/// first broken promise. To be called before training, or in a test; a small network takes milliseconds.
///
/// Tried are: predict gives finite numbers that are a function of each row alone, to the bit, for any number of rows;
/// forward gives the same bits; backward adds, needs neither o nor state of the model's own, and gives the same bits
/// however a batch is cut at multiples of row_block(); gradients are those of central differences (along random
/// directions, so an error in a few of many parameters can pass). Of a differentiable_generator the gradient by the
/// states is tried likewise. Afterwards parameters are as before and gradients 0.
template <class Backend, class Generator, class Contexts>
void check_generator(Backend& backend, Generator& model, const Contexts& contexts, check_generator_options o = {}) {
  if constexpr (detail::require_backend<Backend>() && detail::require_generator<Generator, Backend>()) {
    check_settings(o);
    detail::generator_trial<Backend, Generator> trial(backend, model, contexts, o.seed);
    detail::check_evaluations(trial);
    detail::check_gradient_sums(trial);
    detail::check_gradient(trial, o.tolerance);
    if constexpr (differentiable_generator<Generator, Backend>) detail::check_state_gradient(trial, o.tolerance);
  }
}

}  // namespace fewstep

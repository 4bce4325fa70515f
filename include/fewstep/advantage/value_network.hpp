// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fewstep/core/view.hpp>
#include <fewstep/generator/conditioning.hpp>
#include <fewstep/generator/mlp_generator.hpp>
#include <fewstep/generator/network_generator.hpp>
#include <fewstep/generator/preconditioning.hpp>
#include <fewstep/nn/parameters.hpp>

#include <string_view>

namespace fewstep {

/// V(x, t, c) = MLP([in(t) x, Fourier features of t, context]): what the rest of a trajectory is worth from x[M,D] on.
/// It sees what a small generator sees, and is 0 everywhere until it is trained.
template <class T, preconditioning Preconditioning, class Conditioning = class_conditioning>
class value_network : public detail::preconditioned_network<mlp_network<T, Conditioning>, Preconditioning> {
  using network_type = mlp_network<T, Conditioning>;

 public:
  static constexpr std::string_view name = "value_function";

  value_network(parameter_layout& layout, const mlp_network_options& o, Preconditioning p)
      : detail::preconditioned_network<network_type, Preconditioning>{network_type(layout, o, "value", 1, 0.0f), p} {}

  [[nodiscard]] static index_t outputs() { return 1; }
};

}  // namespace fewstep

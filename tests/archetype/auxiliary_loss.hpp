// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fewstep/backend/cpu/backend.hpp>
#include <fewstep/loss/auxiliary_loss.hpp>

#include <cstddef>
#include <type_traits>

/// The smallest model of fewstep::auxiliary_loss for a generator, and models that lack one requirement each.
namespace auxiliary_loss_archetype {

using fewstep::cpu_backend;
using fewstep::index_t;

enum class drop { nothing, prepare, workspace_bytes, const_workspace_bytes, add_gradient, result };

template <class Generator, drop D = drop::nothing>
struct archetype {
  archetype(const archetype&) = delete;
  archetype& operator=(const archetype&) = delete;

  using workspace_type = typename Generator::workspace_type;
  using path_type = fewstep::trajectory<cpu_backend, typename Generator::context_type>;

  void prepare(cpu_backend&, Generator&, const fewstep::step_table&, index_t, index_t) requires(D != drop::prepare);
  std::size_t workspace_bytes(const cpu_backend&, const Generator&, index_t, index_t) const
      requires(D != drop::workspace_bytes && D != drop::const_workspace_bytes);
  std::size_t workspace_bytes(const cpu_backend&, const Generator&, index_t,
                              index_t) requires(D == drop::const_workspace_bytes);
  std::conditional_t<D == drop::result, void, double> add_gradient(cpu_backend&, Generator&, workspace_type&,
                                                                   const path_type&,
                                                                   fewstep::auxiliary_key) requires(D !=
                                                                                                    drop::add_gradient);
};

}  // namespace auxiliary_loss_archetype

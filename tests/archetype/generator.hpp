// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fewstep/backend/cpu/backend.hpp>
#include <fewstep/generator/generator.hpp>

#include <cstddef>
#include <type_traits>

/// Models of fewstep::generator, with a workspace and without, and models that lack one requirement each.
namespace generator_archetype {

using fewstep::batch;
using fewstep::cpu_backend;
using fewstep::index_t;
using fewstep::matrix;
using fewstep::vec;

struct context {
  int number;
};
struct context_with_memory {
  context_with_memory(const context_with_memory&) {}
};

enum class drop {
  nothing,
  context_type,
  workspace_type,
  sample_size,
  preconditioner,
  make_workspace,
  workspace_bytes,
  predict,
  context_copy,
  forward,
  backward,
  parameters,
  gradients,
  const_gradients,
  state_gradient
};

struct workspace {
  workspace(const workspace&) = delete;
};

template <drop D>
struct types_of {
  using context_type = std::conditional_t<D == drop::context_copy, context_with_memory, context>;
  using workspace_type = workspace;
};
template <>
struct types_of<drop::context_type> {
  using workspace_type = workspace;
};
template <>
struct types_of<drop::workspace_type> {
  using context_type = context;
};

template <drop D = drop::nothing>
struct archetype : types_of<D> {
  using rows = batch<std::conditional_t<D == drop::context_copy, context_with_memory, context>>;
  archetype() = delete;
  archetype(const archetype&) = delete;
  archetype& operator=(const archetype&) = delete;

  index_t sample_size() const requires(D != drop::sample_size);
  fewstep::edm_consistency preconditioner() const requires(D != drop::preconditioner);
  workspace make_workspace(cpu_backend&, index_t) requires(D != drop::make_workspace);
  std::size_t workspace_bytes(const cpu_backend&, index_t) const requires(D != drop::workspace_bytes);
  void predict(cpu_backend&, rows, matrix<float>, workspace&) requires(D != drop::predict);
  void forward(cpu_backend&, rows, matrix<float>, workspace&) requires(D != drop::forward);
  void backward(cpu_backend&, rows, matrix<const float>, workspace&) requires(D != drop::backward);
  void backward(cpu_backend&, rows, matrix<const float>, matrix<float>, workspace&) requires(D != drop::state_gradient);
  vec<float> parameters() requires(D != drop::parameters);
  vec<std::conditional_t<D == drop::const_gradients, const float, float>> gradients() requires(D != drop::gradients);
};

/// The smallest model without a workspace.
template <drop D = drop::nothing>
struct without_workspace {
  using context_type = context;
  without_workspace() = delete;
  without_workspace(const without_workspace&) = delete;
  without_workspace& operator=(const without_workspace&) = delete;

  index_t sample_size() const;
  fewstep::edm_consistency preconditioner() const;
  void predict(cpu_backend&, batch<context>, matrix<float>) requires(D != drop::predict);
  void backward(cpu_backend&, batch<context>, matrix<const float>) requires(D != drop::backward);
  void backward(cpu_backend&, batch<context>, matrix<const float>, matrix<float>) requires(D != drop::state_gradient);
  vec<float> parameters();
  vec<float> gradients();
};

}  // namespace generator_archetype

// SPDX-License-Identifier: Apache-2.0
#include <fewstep/backend/cpu/backend.hpp>
#include <fewstep/generator/generator.hpp>
#include <fewstep/generator/mlp_generator.hpp>
#include <fewstep/generator/text_unet.hpp>

namespace {

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
  const_gradients
};

template <drop D = drop::nothing>
struct archetype {
  using context_type = std::conditional_t<D == drop::context_copy, context_with_memory, context>;
  struct workspace_type {
    workspace_type(const workspace_type&) = delete;
  };
  archetype() = delete;
  archetype(const archetype&) = delete;
  archetype& operator=(const archetype&) = delete;

  index_t sample_size() const requires(D != drop::sample_size);
  fewstep::edm_consistency preconditioner() const requires(D != drop::preconditioner);
  workspace_type make_workspace(cpu_backend&, index_t) requires(D != drop::make_workspace);
  std::size_t workspace_bytes(const cpu_backend&, index_t) const requires(D != drop::workspace_bytes);
  void predict(cpu_backend&, batch<context_type>, matrix<float>, workspace_type&) requires(D != drop::predict);
  void forward(cpu_backend&, batch<context_type>, matrix<float>, workspace_type&) requires(D != drop::forward);
  void backward(cpu_backend&, batch<context_type>, matrix<const float>, workspace_type&) requires(D != drop::backward);
  vec<float> parameters() requires(D != drop::parameters);
  vec<float> gradients() requires(D != drop::gradients && D != drop::const_gradients);
  vec<const float> gradients() requires(D == drop::const_gradients);
};

static_assert(fewstep::generator<archetype<>, cpu_backend>);
static_assert(!fewstep::predictor<archetype<drop::sample_size>, cpu_backend>);
static_assert(!fewstep::predictor<archetype<drop::preconditioner>, cpu_backend>);
static_assert(!fewstep::predictor<archetype<drop::make_workspace>, cpu_backend>);
static_assert(!fewstep::predictor<archetype<drop::workspace_bytes>, cpu_backend>);
static_assert(!fewstep::predictor<archetype<drop::predict>, cpu_backend>);
static_assert(!fewstep::predictor<archetype<drop::context_copy>, cpu_backend>, "contexts lie in arrays of a backend");
static_assert(!fewstep::generator<archetype<drop::forward>, cpu_backend>);
static_assert(!fewstep::generator<archetype<drop::backward>, cpu_backend>);
static_assert(!fewstep::generator<archetype<drop::parameters>, cpu_backend>);
static_assert(!fewstep::generator<archetype<drop::gradients>, cpu_backend>);
static_assert(!fewstep::generator<archetype<drop::const_gradients>, cpu_backend>);
static_assert(fewstep::predictor<archetype<drop::backward>, cpu_backend>, "a predictor need not be trained");
static_assert(!fewstep::predictor<int, cpu_backend>);

static_assert(fewstep::generator<fewstep::mlp_generator<cpu_backend>, cpu_backend>);
static_assert(fewstep::generator<fewstep::text_unet<cpu_backend>, cpu_backend>);
static_assert(fewstep::generator<fewstep::text_unet<cpu_backend, fewstep::edm_denoiser>, cpu_backend>);

}  // namespace

// SPDX-License-Identifier: Apache-2.0
#include "archetype/auxiliary_loss.hpp"
#include "archetype/example_source.hpp"

#include <fewstep/generator/mlp_generator.hpp>
#include <fewstep/loss/consistency_regularizer.hpp>
#include <fewstep/loss/last_step_reward.hpp>

#include <cstdint>
#include <span>

namespace {

using namespace auxiliary_loss_archetype;

using model = fewstep::mlp_generator<cpu_backend>;
using other_model = fewstep::mlp_generator<cpu_backend, fewstep::edm_denoiser>;

static_assert(fewstep::auxiliary_loss<archetype<model>, cpu_backend, model>);
static_assert(!fewstep::auxiliary_loss<archetype<other_model>, cpu_backend, model>, "a loss is one for a generator");
static_assert(!fewstep::auxiliary_loss<archetype<model, drop::prepare>, cpu_backend, model>);
static_assert(!fewstep::auxiliary_loss<archetype<model, drop::workspace_bytes>, cpu_backend, model>);
static_assert(!fewstep::auxiliary_loss<archetype<model, drop::const_workspace_bytes>, cpu_backend, model>);
static_assert(!fewstep::auxiliary_loss<archetype<model, drop::add_gradient>, cpu_backend, model>);
static_assert(!fewstep::auxiliary_loss<archetype<model, drop::result>, cpu_backend, model>);

struct judge {
  template <class Context>
  void operator()(fewstep::matrix<const float>, std::span<const Context>, std::span<float>) const;
  template <class Context>
  void value_and_gradient(fewstep::matrix<const float>, std::span<const Context>, std::span<float>,
                          fewstep::matrix<float>) const;
};
struct source {
  void operator()(std::int64_t, fewstep::matrix<float>, std::span<std::int32_t>) const;
};
using last_step = fewstep::last_step_reward<cpu_backend, judge>;
using regularizer = fewstep::consistency_regularizer<cpu_backend>;
static_assert(fewstep::auxiliary_loss<fewstep::no_auxiliary_loss, cpu_backend, model>);
static_assert(fewstep::auxiliary_loss<last_step, cpu_backend, model>);
static_assert(fewstep::auxiliary_loss<regularizer, cpu_backend, model>);
static_assert(
    fewstep::auxiliary_loss<fewstep::consistency_regularizer<cpu_backend, source, std::int32_t>, cpu_backend, model>);
static_assert(fewstep::auxiliary_loss<fewstep::auxiliary_losses<last_step, regularizer>, cpu_backend, model>);
static_assert(!fewstep::auxiliary_loss<fewstep::auxiliary_losses<last_step, int>, cpu_backend, model>);

}  // namespace

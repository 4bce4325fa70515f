// SPDX-License-Identifier: Apache-2.0
#include <fewstep/backend/cpu/backend.hpp>
#include <fewstep/optimizer/adam.hpp>
#include <fewstep/optimizer/optimizer.hpp>
#include <fewstep/optimizer/sgd.hpp>

namespace {

using fewstep::cpu_backend;
using fewstep::index_t;

enum class drop { nothing, make_state, state_type, update, const_update, result, scale };

template <drop D = drop::nothing>
struct archetype {
  archetype() = delete;
  archetype(const archetype&) = delete;
  archetype& operator=(const archetype&) = delete;

  template <class Backend>
  struct state {
    state(const state&) = delete;
  };

  state<cpu_backend> make_state(cpu_backend&, index_t) const requires(D != drop::make_state && D != drop::state_type);
  int make_state(cpu_backend&, index_t) const requires(D == drop::state_type);

  using arrays = fewstep::optimizer_arrays;
  void update(cpu_backend&, state<cpu_backend>&, const arrays&, fewstep::step_scale) const
      requires(D == drop::nothing || D == drop::make_state || D == drop::state_type);
  void update(cpu_backend&, state<cpu_backend>&, const arrays&, fewstep::step_scale) requires(D == drop::const_update);
  int update(cpu_backend&, state<cpu_backend>&, const arrays&, fewstep::step_scale) const requires(D == drop::result);
  void update(cpu_backend&, state<cpu_backend>&, const arrays&) const requires(D == drop::scale);
};

static_assert(fewstep::optimizer<archetype<>, cpu_backend>);
static_assert(!fewstep::optimizer<archetype<drop::make_state>, cpu_backend>);
static_assert(!fewstep::optimizer<archetype<drop::state_type>, cpu_backend>);
static_assert(!fewstep::optimizer<archetype<drop::update>, cpu_backend>);
static_assert(!fewstep::optimizer<archetype<drop::const_update>, cpu_backend>, "settings do not change");
static_assert(!fewstep::optimizer<archetype<drop::result>, cpu_backend>);
static_assert(!fewstep::optimizer<archetype<drop::scale>, cpu_backend>);

static_assert(fewstep::optimizer<fewstep::sgd, cpu_backend>);
static_assert(fewstep::optimizer<fewstep::adam, cpu_backend>);
static_assert(fewstep::optimizer<fewstep::adamw, cpu_backend>);
static_assert(!fewstep::optimizer<int, cpu_backend>);

}  // namespace

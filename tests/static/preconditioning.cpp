// SPDX-License-Identifier: Apache-2.0
#include <fewstep/generator/preconditioning.hpp>

namespace {

using fewstep::coefficients;
using fewstep::noise_level;

enum class drop { nothing, call, level, level_type, noise_floor, min_time, max_time, trivial_copy };

template <drop D = drop::nothing>
struct archetype {
  archetype() = delete;
  archetype(const archetype&) = default;
  archetype(const archetype&) requires(D == drop::trivial_copy) {}
  archetype& operator=(const archetype&) = delete;

  coefficients operator()(float) const requires(D != drop::call);
  noise_level level(float) const requires(D != drop::level && D != drop::level_type);
  float level(float) const requires(D == drop::level_type);
  float noise_floor() const requires(D != drop::noise_floor);
  float min_time() const requires(D != drop::min_time);
  float max_time() const requires(D != drop::max_time);
};

static_assert(fewstep::preconditioning<archetype<>>);
static_assert(!fewstep::discrete_preconditioning<archetype<>>);
static_assert(!fewstep::preconditioning<archetype<drop::call>>);
static_assert(!fewstep::preconditioning<archetype<drop::level>>);
static_assert(!fewstep::preconditioning<archetype<drop::level_type>>);
static_assert(!fewstep::preconditioning<archetype<drop::noise_floor>>);
static_assert(!fewstep::preconditioning<archetype<drop::min_time>>);
static_assert(!fewstep::preconditioning<archetype<drop::max_time>>);
static_assert(!fewstep::preconditioning<archetype<drop::trivial_copy>>,
              "a preconditioning is passed to kernels by value");
static_assert(!fewstep::preconditioning<int>);

struct discrete_archetype : archetype<> {
  int training_steps() const;
};
static_assert(fewstep::discrete_preconditioning<discrete_archetype>);

}  // namespace

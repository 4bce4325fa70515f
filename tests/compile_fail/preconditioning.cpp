// SPDX-License-Identifier: Apache-2.0
#include "archetype/preconditioning.hpp"
#include "compile_fail/compose.hpp"

using namespace preconditioning_archetype;
using compose::with_generator;

template <drop D>
struct conditioned_by : compose::generator<fewstep::cpu_backend> {
  archetype<D> preconditioner() const;
};

using without_call =
    with_generator<conditioned_by<drop::call>>;  // error: fewstep::preconditioning: coefficients operator
using without_level =
    with_generator<conditioned_by<drop::level>>;  // error: fewstep::preconditioning: noise_level level
using without_level_type =
    with_generator<conditioned_by<drop::level_type>>;  // error: fewstep::preconditioning: noise_level level
using without_noise_floor =
    with_generator<conditioned_by<drop::noise_floor>>;  // error: fewstep::preconditioning: float noise_floor
using without_min_time =
    with_generator<conditioned_by<drop::min_time>>;  // error: fewstep::preconditioning: float min_time
using without_max_time =
    with_generator<conditioned_by<drop::max_time>>;  // error: fewstep::preconditioning: float max_time
using without_trivial_copy = with_generator<conditioned_by<drop::trivial_copy>>;  // error: fewstep::preconditioning: it
                                                                                  // must be trivially copyable

// SPDX-License-Identifier: Apache-2.0
#include <fewstep/fewstep.hpp>

using namespace fewstep;

//! [mistake]
struct my_objective {
  float operator()(transition t) const { return t.log_ratio * t.advantage; }
};
//! [mistake]

int main() {
  cpu_backend backend;
  mlp_generator<cpu_backend> generator(backend, {});
  auto reward = per_sample([](vec<const float> x, int) { return x[0]; });
  const policy_gradient_parts parts{.reward = reward, .optimizer = adam{}, .objective = my_objective{}};
  policy_gradient trainer(backend, generator, parts);  // error: fewstep::objective: .* must return surrogate
  trainer.update(std::vector<std::int32_t>{0});
}

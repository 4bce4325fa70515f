// SPDX-License-Identifier: Apache-2.0
#include <fewstep/fewstep.hpp>

using namespace fewstep;

int main() {
  cpu_backend backend;
  mlp_generator<cpu_backend> generator(backend, {});
  //! [mistake]
  auto reward = [](vec<const float> x, int) { return x[0]; };
  auto trainer = rlcm(backend, generator, reward, adam{});  // error: fewstep::reward: .* wrap a function of one sample
  //! [mistake]
  trainer.update(std::vector<std::int32_t>{0});
}

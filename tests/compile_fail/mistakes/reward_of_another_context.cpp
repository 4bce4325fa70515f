// SPDX-License-Identifier: Apache-2.0
#include <fewstep/fewstep.hpp>

#include <string>

using namespace fewstep;

int main() {
  cpu_backend backend;
  mlp_generator<cpu_backend> generator(backend, {});
  //! [mistake]
  auto reward = per_sample([](vec<const float> x, const std::string& prompt) { return x[0] + float(prompt.size()); });
  auto trainer = rlcm(backend, generator, reward, adam{});
  trainer.update(std::vector<std::int32_t>{0});  // error: fewstep::per_sample: the function must be callable
  //! [mistake]
}

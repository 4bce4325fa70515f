// SPDX-License-Identifier: Apache-2.0
#include <fewstep/fewstep.hpp>

#include <cmath>
#include <cstdint>
#include <cstdio>
#include <vector>

using namespace fewstep;

//! [optimizer]
// Lion (Chen et al. 2023, arXiv:2302.06675): each parameter moves by the learning rate along the sign of
// c = beta1 m + (1 - beta1) g, and m = beta2 m + (1 - beta2) g remembers the gradients.
struct lion {
  static constexpr int moments = 1;
  float learning_rate = 1e-4f, beta1 = 0.9f, beta2 = 0.99f;
  FEWSTEP_HD void operator()(float& p, float g, float (&m)[1], float rate) const {
    const float c = m[0] + (1 - beta1) * (g - m[0]);
    p -= rate * static_cast<float>((c > 0) - (c < 0));
    m[0] += (1 - beta2) * (g - m[0]);
  }
};
//! [optimizer]

int main() {
  cpu_backend backend({.threads = 1});
  mlp_generator<cpu_backend> generator(backend, {.preconditioner = {.sigma_max = 2.0f}});
  //! [reward]
  auto nearness = per_sample([](vec<const float> x, std::int32_t) { return -std::hypot(x[0] - 1.0f, x[1]); });
  //! [reward]
  //! [trainer]
  auto trainer = rlcm(backend, generator, nearness, lion{.learning_rate = 1e-3f},
                      {.horizon = 3, .batch = {.prompts = 1, .samples_per_prompt = 256}});
  //! [trainer]
  for (const auto& update : trainer.run(std::vector<std::int32_t>{0}, 101))
    if (update.index % 50 == 0)
      std::printf("update %3d: reward %.2f\n", static_cast<int>(update.index), update.reward_mean);
}

// SPDX-License-Identifier: Apache-2.0
#include <fewstep/fewstep.hpp>
#include <fewstep/testing/check_generator.hpp>

#include <cmath>
#include <cstdint>
#include <cstdio>
#include <vector>

using namespace fewstep;

//! [network]
// o = w x + b of the class, for one row: w is w[0], the b[2] of class c stand from w[1 + 2 c] on.
struct affine {
  using context_type = std::int32_t;
  index_t sample_size() const { return 2; }
  void forward(vec<const float> w, const network_row<std::int32_t>& in, vec<float> o) const {
    for (index_t d = 0; d < 2; ++d) o[d] = w[0] * in.x[d] + w[1 + 2 * in.context + d];
  }
  void backward(vec<const float>, const network_row<std::int32_t>& in, vec<const float> g, vec<float> w_g) const {
    for (index_t d = 0; d < 2; ++d) w_g[0] += g[d] * in.x[d], w_g[1 + 2 * in.context + d] += g[d];
  }
};
//! [network]

int main() {
  //! [generator]
  cpu_backend backend({.threads = 1});
  row_generator model(affine{}, std::vector<float>(5), edm_consistency{.sigma_max = 5});  // two classes, all at zero
  const std::vector<std::int32_t> classes{0, 1};
  check_generator(backend, model, classes);  // throws a sentence if a derivative is wrong
  //! [generator]

  // RLCM sends class 0 to the left and class 1 to the right.
  auto nearness =
      per_sample([](vec<const float> x, std::int32_t c) { return -std::hypot(x[0] - (c == 0 ? -1 : 1), x[1]); });
  auto trainer = rlcm(backend, model, nearness, adam{.learning_rate = 2e-2f},
                      {.horizon = 3, .batch = {.prompts = 2, .samples_per_prompt = 64}});
  for (const auto& update : trainer.run(classes, 201))
    if (update.index % 100 == 0)
      std::printf("update %3d: reward %.1f, importance ratio %.9f\n", static_cast<int>(update.index),
                  update.reward_mean, update.ratio_mean);
}

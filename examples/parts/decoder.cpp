// SPDX-License-Identifier: Apache-2.0
#include <fewstep/fewstep.hpp>

#include <cmath>
#include <cstdint>
#include <cstdio>
#include <vector>

// Forward kinematics of an arm of two links: the generator makes the angles of shoulder and elbow, in radians, and the
// reward sees where the hand is, in metres.
struct two_link_arm {
  float upper = 1.0f, lower = 0.8f;

  fewstep::index_t decoded_size(fewstep::index_t) const { return 2; }

  template <class Backend>
  void operator()(Backend&, fewstep::matrix<const float> angles, fewstep::matrix<float> hands) const {
    for (fewstep::index_t i = 0; i < angles.rows(); ++i) {
      const float shoulder = angles(i, 0), forearm = shoulder + angles(i, 1);
      hands(i, 0) = upper * std::cos(shoulder) + lower * std::cos(forearm);
      hands(i, 1) = upper * std::sin(shoulder) + lower * std::sin(forearm);
    }
  }
};

int main() {
  fewstep::cpu_backend backend({.threads = 1});
  fewstep::mlp_generator<fewstep::cpu_backend> generator(
      backend, {.network = {.classes = 3}, .preconditioner = {.sigma_max = 2.0f}});

  struct point {
    float x, y;
  };
  const std::vector<point> targets{{1.2f, 0.6f}, {-0.4f, 1.3f}, {0.3f, -1.0f}};
  const std::vector<std::int32_t> prompts{0, 1, 2};  // numbers of targets
  auto nearness = fewstep::per_sample([&](fewstep::vec<const float> hand, std::int32_t target) {
    const point goal = targets[static_cast<std::size_t>(target)];
    return -std::hypot(hand[0] - goal.x, hand[1] - goal.y);
  });

  fewstep::policy_gradient trainer(
      backend, generator,
      fewstep::policy_gradient_parts{
          .reward = nearness, .optimizer = fewstep::adam{.learning_rate = 1e-3f}, .decoder = two_link_arm{}},
      {.horizon = 3, .batch = {.prompts = 8, .samples_per_prompt = 64}});
  for (const auto& update : trainer.run(prompts, 301))
    if (update.index % 100 == 0)
      std::printf("update %3d: the hand is %.1f m away\n", static_cast<int>(update.index), -update.reward_mean);
}

// SPDX-License-Identifier: Apache-2.0
#include <fewstep/eigen.hpp>
#include <fewstep/fewstep.hpp>

#include <Eigen/Cholesky>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <vector>

// What the reward is to stand for: people find a point good that is within 1.5 of (1, 0).
bool good(float x, float y) { return std::hypot(x - 1, y) < 1.5f; }

// A linear probe: ridge regression of the labels +1 (good) and -1 on features of a sample. Frozen, it is a reward.
struct linear_probe {
  Eigen::Vector3f weights;

  static Eigen::RowVector3f features(fewstep::vec<const float> sample) { return {1, sample[0], sample[1]}; }

  static linear_probe fit(const Eigen::MatrixX3f& features, const Eigen::VectorXf& labels, float ridge) {
    const Eigen::Matrix3f normal = features.transpose() * features + ridge * Eigen::Matrix3f::Identity();
    return {normal.ldlt().solve(features.transpose() * labels)};
  }
  float operator()(fewstep::vec<const float> sample, std::int32_t) const { return features(sample) * weights; }
};

int main() {
  // 1000 labelled examples; the second half is held out.
  const fewstep::random_stream random{2, fewstep::stream::data};
  Eigen::MatrixX3f features(1000, 3);
  Eigen::VectorXf labels(1000);
  for (int i = 0; i < 1000; ++i) {
    const auto [x, y, unused, unused_too] = random.normals(static_cast<std::uint64_t>(i), 0, 0);
    const float example[]{x, y};
    features.row(i) = linear_probe::features({example, {2}});
    labels[i] = good(x, y) ? 1.0f : -1.0f;
  }
  const auto probe = linear_probe::fit(features.topRows(500), labels.head(500), 1.0f);
  const auto agreed = (features.bottomRows(500) * probe.weights).cwiseProduct(labels.tail(500)).array() > 0;
  std::printf("the probe agrees with %.0f %% of the labels held out\n", 0.2 * static_cast<double>(agreed.count()));

  fewstep::cpu_backend backend({.threads = 1});
  fewstep::mlp_generator<fewstep::cpu_backend> generator(backend, {.preconditioner = {.sigma_max = 2.0f}});
  auto trainer = fewstep::rlcm(backend, generator, fewstep::per_sample(probe), fewstep::adam{.learning_rate = 1e-3f},
                               {.horizon = 3, .batch = {.prompts = 1, .samples_per_prompt = 256}});

  // Always look at both: the probe's opinion goes on rising when its samples have long left what it was fitted to.
  for (const auto& update : trainer.run(std::vector<std::int32_t>{0}, 91)) {
    if (update.index % 30 != 0) continue;
    int truly = 0;
    for (fewstep::index_t i = 0; i < 256; ++i) truly += good(trainer.samples()(i, 0), trainer.samples()(i, 1));
    std::printf("update %2d: the probe says %4.1f, and %3.0f %% are good\n", static_cast<int>(update.index),
                update.reward_mean, truly / 2.56);
  }
}

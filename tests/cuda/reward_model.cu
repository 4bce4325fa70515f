// SPDX-License-Identifier: Apache-2.0
// Reward models on a device: rewards, their gradients and a step of training are those of the CPU.
#include "cuda/support.cuh"
#include "support/tiny_reward_models.hpp"

#include <fewstep/cuda.cuh>
#include <fewstep/optimizer/adam.hpp>
#include <fewstep/reward_model/alignment_reward.hpp>
#include <fewstep/reward_model/contrastive_training.hpp>
#include <fewstep/reward_model/preference_reward.hpp>
#include <fewstep/reward_model/preference_training.hpp>

#include <span>
#include <vector>

using namespace fewstep;
using namespace fewstep::test;

namespace {

struct pairs {
  void operator()(std::int64_t step, matrix<float> winners, matrix<float> losers, std::span<token_list> texts) const {
    for (index_t i = 0; i < winners.rows(); ++i) {
      const auto number = static_cast<std::uint64_t>(2 * (step * winners.rows() + i));
      texts[static_cast<std::size_t>(i)] = squares::draw(1, number, winners.row(i));
      (void)squares::draw(1, number + 1, losers.row(i));
    }
  }
};

/// Rewards, gradients and the gradient of the parameters after one step.
template <class Reward, class Training, class Backend, class Model, class Source>
std::vector<std::vector<float>> run(Backend& backend, Model& model, const typename Training::options& o,
                                    Source source) {
  const squares::examples all(3, 0, 5);
  std::vector<float> rewards(5), gradient(all.pixels.size());
  Reward reward(backend, model);
  reward.value_and_gradient(all.pictures(), all.texts(), std::span<float>(rewards),
                            matrix<float>{gradient.data(), all.pictures().extents});
  Training training(backend, model, adam{}, o);
  const auto report = training.step(source);
  return {rewards,
          gradient,
          to_host(backend, model.gradients().data, model.gradients().size()),
          {static_cast<float>(report.loss)}};
}

void check(const std::vector<std::vector<float>>& actual, const std::vector<std::vector<float>>& expected) {
  for (std::size_t i = 0; i < expected.size(); ++i) {
    INFO("result " << i);
    CHECK(relative_error(actual[i], expected[i]) < 2e-4);
  }
}

}  // namespace

TEMPLATE_LIST_TEST_CASE("reward models on a device: rewards, gradients and a step are those of the CPU", "[cuda]",
                        devices) {
  cpu_backend cpu({.threads = 1});
  TestType device;
  {
    auto expected = squares::make_two_tower(cpu);
    auto actual = squares::make_two_tower(device);
    const contrastive_training_options o{.batch = 6};
    check(run<alignment_reward<TestType>, contrastive_training<TestType, adam>>(device, actual, o, squares::source{}),
          run<alignment_reward<cpu_backend>, contrastive_training<cpu_backend, adam>>(cpu, expected, o,
                                                                                      squares::source{}));
  }
  auto expected = squares::make_preference_model(cpu, true);
  auto actual = squares::make_preference_model(device, true);
  const preference_training_options o{.batch = 3, .label_smoothing = 0.1f};
  check(run<preference_reward<TestType>, preference_training<TestType, adam>>(device, actual, o, pairs{}),
        run<preference_reward<cpu_backend>, preference_training<cpu_backend, adam>>(cpu, expected, o, pairs{}));
}

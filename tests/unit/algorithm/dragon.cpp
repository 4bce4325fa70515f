// SPDX-License-Identifier: Apache-2.0
#include "support/nearness.hpp"
#include "support/temporary_directory.hpp"
#include "test.hpp"

#define EIGEN_DONT_PARALLELIZE  // the bits of Eigen's products may depend on its threads
#include <fewstep/algorithm/dragon.hpp>
#include <fewstep/backend/cpu/backend.hpp>
#include <fewstep/generator/mlp_generator.hpp>
#include <fewstep/io/checkpoint.hpp>
#include <fewstep/optimizer/adam.hpp>
#include <fewstep/preference/set_judge.hpp>
#include <fewstep/preference/threshold_judge.hpp>
#include <fewstep/reward/per_sample.hpp>
#include <fewstep/sampler/consistency.hpp>
#include <fewstep/set_reward/frechet_reward.hpp>
#include <fewstep/set_reward/vendi_reward.hpp>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <vector>

using namespace fewstep;

namespace {

using context = std::int32_t;
using model_type = mlp_generator<cpu_backend>;
model_type make_model(cpu_backend& backend) {
  return {backend, {.network = {.dimension = 3, .classes = 3, .hidden = {16}}, .seed = 4}};
}
const std::vector<context> prompts{0, 2};

const sample_features all_values(3, [](vec<const float> x, vec<float> f) { std::copy(x.begin(), x.end(), f.begin()); });

frechet_reward towards(double mean) {
  return frechet_reward{{Eigen::VectorXd::Constant(3, mean), 0.04 * Eigen::MatrixXd::Identity(3, 3), 100}};
}

}  // namespace

TEST_CASE("DRAGON has the published numbers where no others are given") {
  cpu_backend backend({.threads = 1});
  model_type model = make_model(backend), base = make_model(backend);
  const preference_parts parts{.optimizer = adam{}, .reference = frozen_reference(base)};
  auto paired = dragon(backend, model, consistency_sampler{}, prompts, set_judge(all_values, vendi_reward{}), parts);
  CHECK(paired.source().comparisons() == 256);
  CHECK(paired.source().members == 2);
  CHECK(paired.parts().link.beta == 2000);
  const auto value = per_sample([](vec<const float> x, context) { return x[0]; });
  auto unpaired = dragon_kto(backend, model, consistency_sampler{}, prompts, threshold_judge(value), parts);
  CHECK(unpaired.source().comparisons() == 256);
  CHECK(unpaired.source().members == 1);
  CHECK(unpaired.parts().link.beta == 1000);
  CHECK_THROWS_WITH(dragon_kto(backend, model, consistency_sampler{}, prompts, threshold_judge(value), parts,
                               {.pairs = {.comparisons = 7}}),
                    contains("dragon: pairs.comparisons is 7, but samples come in pairs"));
}

TEST_CASE("DRAGON draws a model to exemplars, at log 2 first, in any micro-batches and through a resume to the bit") {
  const temporary_directory folder;
  const auto with = [&](int threads, std::size_t memory, const auto& then) {
    cpu_backend backend({.threads = threads});
    model_type model = make_model(backend), base = make_model(backend);
    set_judge judge(all_values, towards(0.5));
    auto trainer =
        dragon(backend, model, consistency_sampler{}, prompts, std::ref(judge),
               preference_parts{.optimizer = adam{.learning_rate = 3e-3f},
                                .reference = frozen_reference(base),
                                .link = logistic_link{.beta = 20}},
               {.pairs = {.comparisons = 64}, .steps = 2, .update = {.training = {.memory_budget = memory}}});
    then(trainer, judge);
    return std::vector<float>(model.parameters().begin(), model.parameters().end());
  };
  double before = 0, after = 0;
  const auto expected = with(1, 1 << 20, [&](auto& trainer, auto& judge) {
    for (int i = 0; i < 40; ++i) {
      if (i == 20) save_checkpoint(folder / "twenty", trainer);
      const preference_report r = trainer.update();
      const demonstrations& d = judge.last();
      CHECK(d.positive >= std::max(d.first, d.second));
      if (i == 0) {
        CHECK(r.loss == std::log(2.0));
        before = (d.first + d.second) / 2;
      }
      after = (d.first + d.second) / 2;
    }
  });
  CHECK(after > 0.7 * before);
  const auto resumed = with(1, 1 << 20, [&](auto& trainer, auto&) {
    load_checkpoint(folder / "twenty", trainer);
    while (trainer.index() < 40) trainer.update();
  });
  CHECK(resumed == expected);
  const auto in_parts = with(3, 100000, [&](auto& trainer, auto&) {
    CHECK(trainer.memory().rows == 32);
    while (trainer.index() < 40) trainer.update();
  });
  CHECK(in_parts == expected);
  CHECK_THROWS_WITH(with(1, 1 << 20,
                         [&](auto& trainer, auto& judge) {
                           judge = set_judge(all_values, towards(0.4));
                           load_checkpoint(folder / "twenty", trainer);
                         }),
                    contains("exemplar_norm"));
}

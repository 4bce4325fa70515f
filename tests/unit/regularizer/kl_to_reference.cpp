// SPDX-License-Identifier: Apache-2.0
#include "support/gaussian_consistency.hpp"
#include "test.hpp"

#include <fewstep/algorithm/rlcm.hpp>
#include <fewstep/generator/guided.hpp>
#include <fewstep/generator/mlp_generator.hpp>
#include <fewstep/optimizer/sgd.hpp>
#include <fewstep/regularizer/kl_to_reference.hpp>
#include <fewstep/reward/per_sample.hpp>
#include <fewstep/sampler/consistency.hpp>

#include <limits>
#include <vector>

using fewstep::cpu_backend;
using fewstep::index_t;
using fewstep::kl_to_reference;
using fewstep::test::gaussian_consistency;

TEST_CASE("kl_to_reference gives the output of the reference, held by reference") {
  cpu_backend backend({.threads = 1});
  gaussian_consistency anchor;
  kl_to_reference<gaussian_consistency> regularizer(anchor);
  CHECK(regularizer.coefficient() == 0.03f);
  regularizer.prepare(backend, 2);
  const std::vector<float> x = {1, 2, 3, -1, 0, 1}, times = {1, 4};
  const std::vector<std::int32_t> contexts = {0, 0};
  std::vector<float> o(6);
  for (const float mean : {0.3f, -1.0f}) {
    anchor.mean = mean;
    regularizer.reference_output(backend, {{x.data(), {2, 3}}, {times.data(), {2}}, {contexts.data(), {2}}},
                                 {o.data(), {2, 3}});
    for (std::size_t i = 0; i < 6; ++i) {
      const double s = gaussian_consistency::shrinking(static_cast<double>(times[i / 3]));
      CHECK(o[i] == Approx(static_cast<double>(mean) + (static_cast<double>(x[i]) - static_cast<double>(mean)) * s));
    }
  }
}

TEST_CASE("kl_to_reference refuses a coefficient that is negative or not finite") {
  gaussian_consistency anchor;
  for (const float bad : {-0.1f, std::numeric_limits<float>::infinity(), std::numeric_limits<float>::quiet_NaN()})
    CHECK_THROWS_WITH(kl_to_reference<gaussian_consistency>(anchor, {.coefficient = bad}),
                      contains("kl_to_reference: coefficient is "));
  CHECK_NOTHROW(kl_to_reference<gaussian_consistency>(anchor, {.coefficient = 0}));
}

TEST_CASE("kl_to_reference refuses a reference whose outputs mean something else") {
  cpu_backend backend({.threads = 1});
  using mlp = fewstep::mlp_generator<cpu_backend>;
  const auto make = [&](index_t dimension, float sigma_data) {
    return mlp(backend, {.network = {.dimension = dimension}, .preconditioner = {.sigma_data = sigma_data}});
  };
  mlp model = make(2, 0.5f), same = make(2, 0.5f), larger = make(3, 0.5f), other = make(2, 0.7f);
  const auto table = fewstep::consistency_sampler{.times = {4, 2}}.table(model.preconditioner(), 2);
  CHECK_NOTHROW(kl_to_reference<mlp>(same).expect_same_outputs(model, table));
  CHECK_THROWS_WITH(kl_to_reference<mlp>(larger).expect_same_outputs(model, table),
                    contains("the reference has samples of 3 values, the model of 2"));
  CHECK_THROWS_WITH(kl_to_reference<mlp>(other).expect_same_outputs(model, table),
                    contains("different preconditionings at time 4"));
}

TEST_CASE("kl_to_reference refuses a reference that is trained along") {
  cpu_backend backend({.threads = 1});
  using mlp = fewstep::mlp_generator<cpu_backend>;
  using guided_mlp = fewstep::guided<cpu_backend, mlp>;
  const auto make = [&] { return mlp(backend, {.network = {.classes = 2}}); };
  mlp model = make(), copy = make();
  guided_mlp guided_model(backend, model), guided_copy(backend, copy);
  const auto table = fewstep::consistency_sampler{.times = {4, 2}}.table(model.preconditioner(), 2);
  const auto* same = "the reference has the parameters of the model";
  CHECK_NOTHROW(kl_to_reference<mlp>(copy).expect_same_outputs(model, table));
  CHECK_NOTHROW(kl_to_reference<mlp>(copy).expect_same_outputs(guided_model, table));
  CHECK_NOTHROW(kl_to_reference<guided_mlp>(guided_copy).expect_same_outputs(guided_model, table));
  CHECK_THROWS_WITH(kl_to_reference<mlp>(model).expect_same_outputs(model, table), contains(same));
  CHECK_THROWS_WITH(kl_to_reference<mlp>(model).expect_same_outputs(guided_model, table), contains(same));
  CHECK_THROWS_WITH(kl_to_reference<guided_mlp>(guided_model).expect_same_outputs(model, table), contains(same));
  guided_mlp stronger(backend, model, {.scale = 7});
  CHECK_THROWS_WITH(kl_to_reference<guided_mlp>(guided_model).expect_same_outputs(stronger, table), contains(same));
}

TEST_CASE("a trainer refuses its own model as the reference") {
  cpu_backend backend({.threads = 1});
  gaussian_consistency model, copy;
  const auto judge = fewstep::per_sample([](auto sample, std::int32_t) { return sample[0]; });
  const auto trainer_with = [&](gaussian_consistency& reference) {
    return fewstep::rlcm(
        backend, model,
        fewstep::policy_gradient_parts{.reward = judge,
                                       .optimizer = fewstep::sgd{},
                                       .regularizer = kl_to_reference<gaussian_consistency>(reference)},
        {.horizon = 2});
  };
  CHECK_NOTHROW(trainer_with(copy));
  CHECK_THROWS_WITH(trainer_with(model), contains("the reference has the parameters of the model"));
}

TEST_CASE("a copy of kl_to_reference has its reference and options and is prepared anew") {
  cpu_backend backend({.threads = 1});
  gaussian_consistency model, anchor;
  const auto judge = fewstep::per_sample([](auto sample, std::int32_t) { return sample[0]; });
  kl_to_reference<gaussian_consistency> regularizer(anchor, {.coefficient = 0.5f});
  regularizer.prepare(backend, 2);
  auto trainer = fewstep::rlcm(
      backend, model,
      fewstep::policy_gradient_parts{.reward = judge, .optimizer = fewstep::sgd{}, .regularizer = regularizer},
      {.horizon = 2});
  CHECK(trainer.parts().regularizer.coefficient() == 0.5f);
  model.mean = anchor.mean + 1;
  CHECK(trainer.update(std::vector<std::int32_t>{0}).reference_kl > 0);
}

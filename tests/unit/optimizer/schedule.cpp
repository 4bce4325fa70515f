// SPDX-License-Identifier: Apache-2.0
#include <fewstep/optimizer/schedule.hpp>

#include "support/users_optimizers.hpp"
#include "test.hpp"

#include <fewstep/algorithm/rlcm.hpp>
#include <fewstep/backend/cpu/backend.hpp>
#include <fewstep/generator/mlp_generator.hpp>
#include <fewstep/io/checkpoint.hpp>
#include <fewstep/optimizer/adam.hpp>
#include <fewstep/optimizer/optimizer.hpp>
#include <fewstep/optimizer/parameter_update.hpp>
#include <fewstep/optimizer/sgd.hpp>
#include <fewstep/reward/per_sample.hpp>

#include <unistd.h>

#include <cmath>
#include <cstdint>
#include <filesystem>
#include <limits>
#include <numbers>
#include <span>
#include <string>
#include <vector>

using fewstep::cosine_schedule;
using fewstep::cpu_backend;
using fewstep::linear_schedule;
using fewstep::scheduled;
using fewstep::vec;

TEST_CASE("linear_schedule rises, holds and falls") {
  constexpr linear_schedule constant{};
  CHECK(constant(0) == 1.0f);
  CHECK(constant(1000000) == 1.0f);

  constexpr linear_schedule s{.warmup = 4, .hold = 10, .total = 20, .final = 0.1f};
  CHECK(s(0) == 0.25f);
  CHECK(s(3) == 1.0f);
  CHECK(s(4) == 1.0f);
  CHECK(s(10) == 1.0f);
  CHECK(s(15) == Approx(0.55));
  CHECK(s(20) == 0.1f);
  CHECK(s(1000) == 0.1f);

  // What begins while the rate still rises begins when it has risen.
  constexpr linear_schedule without_hold{.warmup = 50, .total = 100};
  CHECK(without_hold(49) == 1.0f);
  CHECK(without_hold(50) == 1.0f);
  CHECK(without_hold(75) == 0.5f);
  CHECK(without_hold(100) == 0.0f);
  constexpr linear_schedule short_hold{.warmup = 50, .hold = 20, .total = 100};
  for (std::int64_t index = 0; index < 120; ++index) CHECK(short_hold(index) == without_hold(index));

  // RLCM's: three times the updates long, so a run of 100 ends near 2/3.
  constexpr linear_schedule published{.total = 300};
  CHECK(published(0) == 1.0f);
  CHECK(published(99) == Approx(1 - 99.0 / 300));
}

TEST_CASE("cosine_schedule falls along half a cosine and starts again") {
  const cosine_schedule once{.period = 10, .final = 0.2f};
  for (int i = 0; i < 10; ++i) CHECK(once(i) == Approx(0.6 + 0.4 * std::cos(std::numbers::pi * i / 10)));
  CHECK(once(0) == 1.0f);
  CHECK(once(5) == Approx(0.6));
  CHECK(once(10) == 0.2f);
  CHECK(once(1000) == 0.2f);

  // Three cosines of 10, 20 and 40 updates behind 4 of warm-up.
  const cosine_schedule thrice{.period = 10, .warmup = 4, .restarts = 2, .growth = 2};
  CHECK(thrice(0) == 0.25f);
  CHECK(thrice(3) == 1.0f);
  for (const auto& [begin, length] : std::vector<std::pair<int, int>>{{4, 10}, {14, 20}, {34, 40}})
    for (int i = 0; i < length; ++i)
      CHECK(thrice(begin + i) == Approx((1 + std::cos(std::numbers::pi * i / length)) / 2));
  CHECK(thrice(74) == 0.0f);

  const cosine_schedule alike{.period = 7, .restarts = 1'000'000'000};
  CHECK(alike(7'000'000'000 - 7) == 1.0f);
  CHECK(alike(7'000'000'000 - 1) == alike(6));
  const cosine_schedule long_ones{.period = 5, .restarts = 100, .growth = std::numeric_limits<std::int64_t>::max()};
  CHECK(long_ones(5) == 1.0f);
  CHECK(long_ones(std::numeric_limits<std::int64_t>::max() / 2) == Approx(0.5).margin(1e-6));
}

namespace {

struct flat_model {
  std::vector<float> values{1}, slopes{1};
  vec<float> parameters() { return fewstep::as_vec(std::span(values)); }
  vec<float> gradients() { return fewstep::as_vec(std::span(slopes)); }
};

/// How far each of six updates moves a parameter whose gradient is 1.
template <class Optimizer>
std::vector<double> moved(const Optimizer& optimizer, const linear_schedule& schedule) {
  cpu_backend backend({.threads = 1});
  flat_model model;
  fewstep::parameter_update<cpu_backend, flat_model, Optimizer> update(backend, model, optimizer,
                                                                       {.who = "test", .schedule = schedule});
  std::vector<double> steps;
  for (int k = 0; k < 6; ++k) {
    const double before = static_cast<double>(model.values[0]);
    update.step(optimizer);
    update.next();
    steps.push_back(before - static_cast<double>(model.values[0]));
  }
  return steps;
}

struct holds_a_vector {
  std::vector<float> factors;
  float operator()(std::int64_t index) const { return factors.at(static_cast<std::size_t>(index)); }
};

}  // namespace

TEST_CASE("an optimizer brings a schedule of its own, which multiplies that of the options") {
  const fewstep::sgd descent{.learning_rate = 0.125f};
  const linear_schedule falls{.total = 6};
  const auto twice = moved(scheduled{descent, cosine_schedule{.period = 6}}, falls);
  const auto of_user = moved(scheduled{descent, holds_a_vector{{1, 2, 3, 4, 5, 6}}}, {});
  const auto of_lambda =
      moved(scheduled{fewstep::test::lion{}, [](std::int64_t index) { return index == 2 ? 1.0f : 0.0f; }}, {});
  for (std::size_t k = 0; k < 6; ++k) {
    const double index = static_cast<double>(k);
    CHECK(twice[k] == Approx(0.125 * (1 - index / 6) * (1 + std::cos(std::numbers::pi * index / 6)) / 2).margin(1e-7));
    CHECK(of_user[k] == Approx(0.125 * (index + 1)));
    CHECK(of_lambda[k] == Approx(k == 2 ? 1e-3 : 0).margin(1e-6));
  }
}

TEST_CASE("a schedule is checked where a training is made and compared where it is resumed") {
  cpu_backend backend({.threads = 1});
  fewstep::mlp_generator<cpu_backend> model(backend, {});
  const auto reward = fewstep::per_sample([](vec<const float> x, std::int32_t) { return x[0]; });
  const auto trainer_of = [&](const auto& optimizer) {
    return fewstep::rlcm(backend, model, reward, optimizer,
                         {.horizon = 2, .batch = {.prompts = 1, .samples_per_prompt = 2}});
  };
  CHECK_THROWS_WITH(trainer_of(scheduled{fewstep::adam{}, cosine_schedule{.period = 0}}),
                    contains("cosine_schedule: period is 0; it must be at least 1"));
  CHECK_THROWS_WITH(trainer_of(scheduled{fewstep::adam{.beta1 = 1}, cosine_schedule{}}), contains("adam: beta1 is 1"));

  const auto path = std::filesystem::temp_directory_path() / ("fewstep-schedule-" + std::to_string(::getpid()));
  auto trainer = trainer_of(scheduled{fewstep::adam{}, cosine_schedule{.period = 5}});
  fewstep::save_checkpoint(path, trainer);
  auto same = trainer_of(scheduled{fewstep::adam{}, cosine_schedule{.period = 5}});
  CHECK_NOTHROW(fewstep::load_checkpoint(path, same));
  auto longer = trainer_of(scheduled{fewstep::adam{}, cosine_schedule{.period = 6}});
  CHECK_THROWS_WITH(fewstep::load_checkpoint(path, longer), contains("optimizer.schedule.period = 5"));
  auto other = trainer_of(scheduled{fewstep::adam{}, linear_schedule{}});
  CHECK_THROWS_WITH(fewstep::load_checkpoint(path, other), contains("optimizer.schedule"));
  std::filesystem::remove(path);
}

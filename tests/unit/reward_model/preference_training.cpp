// SPDX-License-Identifier: Apache-2.0
#include "support/tiny_reward_models.hpp"
#include "test.hpp"

#include <fewstep/io/checkpoint.hpp>
#include <fewstep/optimizer/adam.hpp>
#include <fewstep/reward_model/preference_reward.hpp>
#include <fewstep/reward_model/preference_training.hpp>

#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <numeric>
#include <string>
#include <vector>

using fewstep::cpu_backend;
using fewstep::index_t;
using fewstep::matrix;
using fewstep::token_list;
namespace squares = fewstep::test::squares;

namespace {

using model_type = fewstep::preference_model<cpu_backend>;
using training_type = fewstep::preference_training<cpu_backend, fewstep::adam>;

constexpr fewstep::adam optimizer{.learning_rate = 3e-3f};

std::vector<float> values(fewstep::vec<const float> v) { return {v.begin(), v.end()}; }

/// A linear reward of noise pictures: a weighted mean of the channels.
double linear_reward(const float* x) {
  double sum = 0;
  for (index_t i = 0; i < squares::size; i += 3)
    sum += 2.0 * static_cast<double>(x[i]) - 1.0 * static_cast<double>(x[i + 1]) + 0.5 * static_cast<double>(x[i + 2]);
  return sum / 64;
}
/// Noise with a colour of its own.
void draw_noise(std::uint64_t seed, std::uint64_t number, float* x) {
  const fewstep::random_stream random{seed, fewstep::stream::data};
  for (std::uint64_t i = 0; i < squares::size; ++i)
    x[i] = 0.3f * random.normal(number, 0, i) + 0.5f * random.normal(number, 1, i % 3);
}
struct pairs_of_noise {
  std::uint64_t seed = 1;
  void operator()(std::int64_t step, matrix<float> winners, matrix<float> losers, std::span<token_list>) const {
    for (index_t i = 0; i < winners.rows(); ++i) {
      const auto number = static_cast<std::uint64_t>(2 * (step * winners.rows() + i));
      draw_noise(seed, number, winners.row(i));
      draw_noise(seed, number + 1, losers.row(i));
      if (linear_reward(winners.row(i)) < linear_reward(losers.row(i)))
        std::swap_ranges(winners.row(i), winners.row(i) + squares::size, losers.row(i));
    }
  }
};

/// What the caption says is preferred to something else: the context decides, not the picture.
void draw_captioned(std::uint64_t seed, std::uint64_t number, float* winner, float* loser, token_list& caption) {
  caption = squares::draw(seed, 8 * number, winner);
  for (std::uint64_t other = 1; other < 8; ++other)
    if (squares::draw(seed, 8 * number + other, loser) != caption) return;
  std::fill_n(loser, squares::size, 1.0f);
}
struct pairs_of_squares {
  void operator()(std::int64_t step, matrix<float> winners, matrix<float> losers, std::span<token_list> texts) const {
    for (index_t i = 0; i < winners.rows(); ++i)
      draw_captioned(1, static_cast<std::uint64_t>(step * winners.rows() + i), winners.row(i), losers.row(i),
                     texts[static_cast<std::size_t>(i)]);
  }
};

}  // namespace

TEST_CASE("preference training: recovers the order of a linear reward") {
  cpu_backend backend;
  model_type model = squares::make_preference_model(backend, false);
  training_type training(backend, model, optimizer, {.steps = 80, .batch = 32, .schedule = {.hold = 40, .total = 80}});
  pairs_of_noise source;
  double first = 0;
  while (!training.finished()) {
    const auto report = training.step(source);
    if (report.step == 0) first = report.loss;
  }
  CHECK(first == Approx(std::log(2.0)).epsilon(0.3));

  constexpr index_t count = 256;
  std::vector<float> winners(count * squares::size), losers(winners.size());
  std::vector<token_list> none(count);
  pairs_of_noise{2}(0, {winners.data(), {count, squares::size}}, {losers.data(), {count, squares::size}}, none);
  fewstep::preference_reward judge(backend, model);
  const double accuracy = fewstep::preference_accuracy(
      judge, matrix<const float>{winners.data(), {count, squares::size}},
      matrix<const float>{losers.data(), {count, squares::size}}, std::span<const token_list>(none));
  // Rank correlation of what was learned with what was to be learned.
  std::vector<float> learned(count);
  judge(matrix<const float>{winners.data(), {count, squares::size}}, std::span<const token_list>(none),
        std::span<float>(learned));
  std::vector<double> ranks[2];
  for (auto& rank : ranks) {
    std::vector<std::size_t> order(count);
    std::iota(order.begin(), order.end(), std::size_t{0});
    const bool own = &rank == &ranks[0];
    const auto value = [&](std::size_t i) {
      return own ? static_cast<double>(learned[i]) : linear_reward(winners.data() + i * squares::size);
    };
    std::sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) { return value(a) < value(b); });
    rank.resize(count);
    for (std::size_t i = 0; i < count; ++i) rank[order[i]] = static_cast<double>(i) - (count - 1) / 2.0;
  }
  const double correlation = std::inner_product(ranks[0].begin(), ranks[0].end(), ranks[1].begin(), 0.0) /
                             std::inner_product(ranks[0].begin(), ranks[0].end(), ranks[0].begin(), 0.0);
  CAPTURE(accuracy, correlation);
  CHECK(accuracy >= 0.95);
  CHECK(correlation >= 0.95);
}

TEST_CASE("preference training: learns what only the text decides") {
  cpu_backend backend;
  model_type model = squares::make_preference_model(backend, true);
  training_type training(
      backend, model, optimizer,
      {.steps = 160, .batch = 32, .label_smoothing = 0.02f, .schedule = {.hold = 100, .total = 160}});
  pairs_of_squares source;
  while (!training.finished()) training.step(source);
  constexpr index_t count = 256;
  std::vector<float> winners(count * squares::size), losers(winners.size());
  std::vector<token_list> texts(count);
  for (index_t i = 0; i < count; ++i)
    draw_captioned(2, static_cast<std::uint64_t>(i), winners.data() + i * squares::size,
                   losers.data() + i * squares::size, texts[static_cast<std::size_t>(i)]);
  fewstep::preference_reward judge(backend, model);
  const double accuracy = fewstep::preference_accuracy(
      judge, matrix<const float>{winners.data(), {count, squares::size}},
      matrix<const float>{losers.data(), {count, squares::size}}, std::span<const token_list>(texts));
  CAPTURE(accuracy);
  CHECK(accuracy >= 0.9);
}

TEST_CASE("preference training: has the same bits on any number of threads and after a resume") {
  const auto path = std::filesystem::temp_directory_path() / ("fewstep-preference-" + std::to_string(::getpid()));
  const fewstep::preference_training_options settings{
      .steps = 6, .batch = 11, .ema_decay = 0.9f, .label_smoothing = 0.1f};
  pairs_of_squares source;
  std::vector<std::vector<float>> results;
  const auto keep = [&](model_type& model, const training_type& training) {
    results.push_back(values(model.parameters()));
    const auto ema = values(training.ema());
    results.back().insert(results.back().end(), ema.begin(), ema.end());
  };
  for (const int threads : {1, 2, 3}) {
    cpu_backend backend({.threads = threads});
    model_type model = squares::make_preference_model(backend, true);
    training_type training(backend, model, optimizer, settings);
    while (!training.finished()) {
      if (threads == 2 && training.index() == 3) fewstep::save_checkpoint(path, training);
      training.step(source);
    }
    keep(model, training);
  }
  CHECK(fewstep::test::same_bits(results[0], results[1]));
  CHECK(fewstep::test::same_bits(results[0], results[2]));

  cpu_backend backend({.threads = 1});
  model_type model = squares::make_preference_model(backend, true, 99);
  training_type training(backend, model, optimizer, settings);
  fewstep::load_checkpoint(path, training);
  while (!training.finished()) training.step(source);
  keep(model, training);
  CHECK(fewstep::test::same_bits(results[0], results[3]));

  auto changed = settings;
  changed.label_smoothing = 0;
  training_type other(backend, model, optimizer, changed);
  CHECK_THROWS_WITH(fewstep::load_checkpoint(path, other), contains("label_smoothing"));
  std::filesystem::remove(path);
}

TEST_CASE("preference training: what cannot be is refused") {
  cpu_backend backend({.threads = 1});
  model_type model = squares::make_preference_model(backend, false);
  CHECK_THROWS_WITH(training_type(backend, model, optimizer, {.batch = 4, .label_smoothing = 0.5f}),
                    contains("preference_training: label_smoothing is 0.5; it must be in [0, 0.5)"));
  CHECK_THROWS_WITH(training_type(backend, model, optimizer, {.batch = 0}),
                    contains("preference_training: batch is 0"));
  training_type training(backend, model, optimizer, {.batch = 4});
  const auto before = values(model.parameters());
  const auto broken = [](std::int64_t, matrix<float> winners, matrix<float>, std::span<token_list>) {
    winners(1, 2) = INFINITY;
  };
  CHECK_THROWS_WITH(training.step(broken), contains("preference_training: step 0 has loss"));
  CHECK(fewstep::test::same_bits(before, values(model.parameters())));
}

// SPDX-License-Identifier: Apache-2.0
#include "support/tiny_reward_models.hpp"
#include "test.hpp"

#include <fewstep/io/checkpoint.hpp>
#include <fewstep/optimizer/adam.hpp>
#include <fewstep/reward_model/contrastive_training.hpp>
#include <fewstep/reward_model/retrieval.hpp>

#include <unistd.h>

#include <cmath>
#include <filesystem>
#include <string>
#include <vector>

using fewstep::contrastive_training;
using fewstep::cpu_backend;
using fewstep::index_t;
using fewstep::token_list;
namespace squares = fewstep::test::squares;

namespace {

using model_type = fewstep::two_tower<cpu_backend>;
using training_type = contrastive_training<cpu_backend, fewstep::adam>;

constexpr fewstep::adam optimizer{.learning_rate = 3e-3f};

std::vector<float> values(fewstep::vec<const float> v) { return {v.begin(), v.end()}; }

}  // namespace

TEST_CASE("contrastive training: a picture finds its caption and a caption its picture") {
  cpu_backend backend;
  model_type model = squares::make_two_tower(backend);
  training_type training(backend, model, optimizer, {.steps = 80, .batch = 32, .schedule = {.hold = 40, .total = 80}});
  squares::source source;
  double first = 0, last = 0;
  while (!training.finished()) {
    const auto report = training.step(source);
    (report.step == 0 ? first : last) = report.loss;
    CHECK(report.scale <= 100.001);
  }
  CHECK(training.ema().size() == 0);
  // Of 8 captions; chance is 1 in 8.
  const squares::examples held_out(2, 0, 256);
  fewstep::alignment_reward judge(backend, model);
  const auto found = fewstep::retrieval_accuracy(judge, held_out.pictures(), held_out.texts(), 1);
  CAPTURE(first, last, found.picture_to_text, found.text_to_picture);
  CHECK(last < 0.2 * first);
  CHECK(found.picture_to_text >= 0.95);
  CHECK(found.text_to_picture >= 0.95);
}

TEST_CASE("contrastive training: has the same bits on any number of threads and after a resume") {
  const auto path = std::filesystem::temp_directory_path() / ("fewstep-contrastive-" + std::to_string(::getpid()));
  const fewstep::contrastive_training_options settings{.steps = 6, .batch = 20, .ema_decay = 0.9f};
  squares::source source;
  std::vector<std::vector<float>> results;
  const auto keep = [&](model_type& model, const training_type& training) {
    results.push_back(values(model.parameters()));
    const auto ema = values(training.ema());
    results.back().insert(results.back().end(), ema.begin(), ema.end());
  };
  for (const int threads : {1, 2, 3}) {
    cpu_backend backend({.threads = threads});
    model_type model = squares::make_two_tower(backend);
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
  model_type model = squares::make_two_tower(backend, 99);
  training_type training(backend, model, optimizer, settings);
  fewstep::load_checkpoint(path, training);
  CHECK(training.index() == 3);
  while (!training.finished()) training.step(source);
  keep(model, training);
  CHECK(fewstep::test::same_bits(results[0], results[3]));

  training_type other(backend, model, optimizer, {.steps = 6, .batch = 21, .ema_decay = 0.9f});
  CHECK_THROWS_WITH(fewstep::load_checkpoint(path, other), contains("batch"));

  training_type unaveraged(backend, model, optimizer, {.steps = 6, .batch = 20});
  unaveraged.step(source);
  fewstep::save_checkpoint(path, unaveraged);
  training_type again(backend, model, optimizer, {.steps = 6, .batch = 20});
  fewstep::load_checkpoint(path, again);
  CHECK(again.index() == 1);
  std::filesystem::remove(path);
}

TEST_CASE("contrastive training: the factor on similarities stays at or below 100") {
  cpu_backend backend({.threads = 1});
  model_type model = squares::make_two_tower(backend);
  float& logit_scale = model.parameters()[model.network().logit_scale()];
  CHECK(logit_scale == Approx(std::log(1 / 0.07)));
  logit_scale = 4.6f;
  training_type training(backend, model, {.learning_rate = 1.0f}, {.steps = 20, .batch = 8});
  squares::source source;
  training.step(source);
  CHECK(std::abs(logit_scale - 4.6f) > 1e-4f);
  for (int i = 0; i < 10; ++i) CHECK(training.step(source).scale <= 100.001);
}

TEST_CASE("contrastive training: order of words makes no other caption") {
  std::vector<token_list> texts{{{1, 5}}, {{2, 5}}, {{5, 1}}, {{1, 0, 5}}, {{1, 1, 5}}, {{2, 5}}};
  std::vector<index_t> numbers(texts.size());
  fewstep::number_captions(texts, numbers);
  CHECK(numbers == std::vector<index_t>{0, 1, 0, 0, 4, 1});
}

TEST_CASE("contrastive training: what cannot be is refused, and nothing has moved") {
  cpu_backend backend({.threads = 1});
  model_type model = squares::make_two_tower(backend);
  CHECK_THROWS_WITH(training_type(backend, model, optimizer, {.steps = 0}),
                    contains("contrastive_training: steps is 0; it must be at least 1"));
  training_type training(backend, model, optimizer, {.steps = 5, .batch = 4});
  const auto before = values(model.parameters());
  const auto unknown = [](std::int64_t, fewstep::matrix<float>, std::span<token_list> texts) { texts[2].ids[0] = 7; };
  CHECK_THROWS_WITH(training.step(unknown), contains("row 2 has the token 7, but tokens are 0 (padding) to 6"));
  const auto broken = [](std::int64_t, fewstep::matrix<float> x, std::span<token_list> texts) {
    texts[2].ids[0] = 1;
    x(3, 0) = NAN;
  };
  CHECK_THROWS_WITH(training.step(broken), contains("contrastive_training: step 0 has loss"));
  CHECK(training.index() == 0);
  CHECK(fewstep::test::same_bits(before, values(model.parameters())));
}

// SPDX-License-Identifier: Apache-2.0
#include "support/tiny_reward_models.hpp"
#include "test.hpp"

#include <fewstep/monitor/diversity.hpp>
#include <fewstep/reward_model/alignment_reward.hpp>
#include <fewstep/reward_model/preference_reward.hpp>
#include <fewstep/reward_model/retrieval.hpp>

#include <cmath>
#include <string>
#include <vector>

using fewstep::cpu_backend;
using fewstep::index_t;
using fewstep::matrix;
using fewstep::token_list;
using fewstep::test::same_bits;
namespace squares = fewstep::test::squares;

namespace {

struct verdict {
  std::vector<float> rewards, gradients;

  friend bool operator==(const verdict& a, const verdict& b) {
    return same_bits(a.rewards, b.rewards) && same_bits(a.gradients, b.gradients);
  }
};

/// Judges the examples in batches of so many rows.
template <class Judge>
verdict judged(Judge& judge, const squares::examples& all, index_t batch) {
  const auto count = static_cast<index_t>(all.captions.size());
  verdict v{std::vector<float>(all.captions.size(), NAN), std::vector<float>(all.pixels.size(), NAN)};
  std::vector<float> plain(all.captions.size(), NAN);
  for (index_t first = 0; first < count; first += batch) {
    const index_t n = std::min(batch, count - first);
    const auto at = static_cast<std::size_t>(first), rows = static_cast<std::size_t>(n);
    const auto part = all.pictures().subview(first, n);
    const auto contexts = all.texts().subspan(at, rows);
    judge(part, contexts, std::span(plain).subspan(at, rows));
    judge.value_and_gradient(part, contexts, std::span(v.rewards).subspan(at, rows),
                             matrix<float>{v.gradients.data() + first * squares::size, {n, squares::size}});
  }
  CHECK(same_bits(v.rewards, plain));
  return v;
}

/// The claimed gradient against central differences along a few directions; in float, so within a percent.
template <class Judge>
void check_gradient(Judge& judge, const squares::examples& all) {
  const verdict v = judged(judge, all, 64);
  const auto count = all.captions.size(), size = static_cast<std::size_t>(squares::size);
  double squares_of_error = 0, squares_of_slope = 0;
  for (std::uint64_t direction = 0; direction < 4; ++direction) {
    const auto d = fewstep::test::normals<float>(squares::size, 50 + direction);
    std::vector<float> rewards[2];
    constexpr float step = 5e-3f;
    for (int sign : {0, 1}) {
      auto moved = all;
      for (std::size_t i = 0; i < moved.pixels.size(); ++i) moved.pixels[i] += (sign == 0 ? -step : step) * d[i % size];
      rewards[sign].resize(count);
      judge(moved.pictures(), moved.texts(), std::span<float>(rewards[sign]));
    }
    for (std::size_t i = 0; i < count; ++i) {
      const double slope =
          (static_cast<double>(rewards[1][i]) - static_cast<double>(rewards[0][i])) / (2 * static_cast<double>(step));
      double claimed = 0;
      for (std::size_t j = 0; j < size; ++j)
        claimed += static_cast<double>(v.gradients[i * size + j]) * static_cast<double>(d[j]);
      squares_of_error += (claimed - slope) * (claimed - slope);
      squares_of_slope += slope * slope;
    }
  }
  CAPTURE(squares_of_error, squares_of_slope);
  CHECK(squares_of_slope > 0);
  CHECK(std::sqrt(squares_of_error / squares_of_slope) < 0.01);
}

}  // namespace

TEST_CASE("reward models as rewards: gradients by the pixels") {
  cpu_backend backend;
  const squares::examples all(3, 0, 11);
  auto towers = squares::make_two_tower(backend);
  fewstep::test::randomize(towers, 5);
  fewstep::alignment_reward alignment(backend, towers);
  check_gradient(alignment, all);
  for (const bool reads_texts : {false, true}) {
    auto model = squares::make_preference_model(backend, reads_texts);
    fewstep::test::randomize(model, 6);
    fewstep::preference_reward preference(backend, model, {.mean = 0.5f, .deviation = 0.25f});
    check_gradient(preference, all);
  }
}

TEST_CASE("reward models as rewards: the same bits in any split of the batch and on any number of threads") {
  const squares::examples all(3, 0, 13);
  std::vector<verdict> of_alignment, of_preference;
  for (const int threads : {1, 2, 3}) {
    cpu_backend backend({.threads = threads});
    auto towers = squares::make_two_tower(backend);
    auto model = squares::make_preference_model(backend, true);
    fewstep::test::randomize(towers, 5);
    fewstep::test::randomize(model, 6);
    fewstep::alignment_reward alignment(backend, towers);
    fewstep::preference_reward preference(backend, model);
    for (const index_t batch : {13, 5, 1}) {
      of_alignment.push_back(judged(alignment, all, batch));
      of_preference.push_back(judged(preference, all, batch));
    }
  }
  for (std::size_t i = 1; i < of_alignment.size(); ++i) {
    CHECK(of_alignment[i] == of_alignment[0]);
    CHECK(of_preference[i] == of_preference[0]);
  }
}

TEST_CASE("alignment reward: the cosine similarity of the features") {
  cpu_backend backend;
  auto model = squares::make_two_tower(backend);
  fewstep::test::randomize(model, 5);
  fewstep::alignment_reward judge(backend, model);
  const squares::examples all(3, 0, 9);
  const index_t width = judge.features();
  std::vector<float> pictures(static_cast<std::size_t>(9 * width)), texts(pictures.size()), rewards(9);
  judge.features(all.pictures(), {pictures.data(), {9, width}});
  judge.text_features(all.texts(), {texts.data(), {9, width}});
  judge(all.pictures(), all.texts(), rewards);
  for (std::size_t n = 0; n < 9; ++n) {
    double sum = 0, squares_of_picture = 0;
    for (std::size_t e = 0; e < static_cast<std::size_t>(width); ++e) {
      const std::size_t i = n * static_cast<std::size_t>(width) + e;
      sum += static_cast<double>(pictures[i]) * static_cast<double>(texts[i]);
      squares_of_picture += static_cast<double>(pictures[i]) * static_cast<double>(pictures[i]);
    }
    CHECK(static_cast<double>(rewards[n]) == Approx(sum).epsilon(1e-6));
    CHECK(squares_of_picture == Approx(1).epsilon(1e-5));
  }
  judge(all.pictures().subview(0, 0), all.texts().first(0), std::span<float>(rewards).first(0));
  CHECK_THROWS_WITH(judge.features(all.pictures(), {pictures.data(), {8, width}}),
                    contains("there is room for [8, 16]"));
  CHECK_THROWS_WITH(judge(all.pictures(), all.texts().first(8), rewards), contains("there are 8 contexts"));
  const std::vector<token_list> unknown(9, token_list{{7}});
  CHECK_THROWS_WITH(judge(all.pictures(), unknown, rewards), contains("row 0 has the token 7"));
  const matrix<const float> wrong{all.pixels.data(), {9, 100}};
  CHECK_THROWS_WITH(judge(wrong, all.texts(), rewards),
                    contains("samples have 100 values, but the pictures of the network 192"));
  CHECK_THROWS_WITH(model.encode("purple"), contains("no word of the prompt 'purple' is in the vocabulary"));
  CHECK(model.encode("left, Red") == token_list{{5, 1}});
}

TEST_CASE("preference reward: calibrated to mean 0 and variance 1, for contexts of any type without texts") {
  cpu_backend backend;
  auto model = squares::make_preference_model(backend, false);
  fewstep::test::randomize(model, 5);
  fewstep::preference_reward judge(backend, model);
  const squares::examples all(3, 0, 40);
  const std::vector<int> contexts(40);
  judge.calibrate(all.pictures(), std::span<const int>(contexts));
  std::vector<float> rewards(40);
  judge(all.pictures(), std::span<const int>(contexts), std::span<float>(rewards));
  double mean = 0, variance = 0;
  for (const float r : rewards) mean += static_cast<double>(r) / 40;
  for (const float r : rewards) variance += std::pow(static_cast<double>(r) - mean, 2) / 40;
  CHECK(mean == Approx(0).margin(1e-4));
  CHECK(variance == Approx(1).epsilon(1e-4));

  CHECK_THROWS_WITH(judge.calibrate(all.pictures().subview(0, 1), std::span<const int>(contexts).first(1)),
                    contains("preference_reward: 1 samples cannot set a scale"));
  CHECK_THROWS_WITH(fewstep::preference_reward(backend, model, {.deviation = 0}),
                    contains("preference_reward: deviation is 0; it must be above 0 and finite"));
  auto reading = squares::make_preference_model(backend, true);
  fewstep::preference_reward reader(backend, reading);
  CHECK_THROWS_WITH(reader(all.pictures(), std::span<const int>(contexts), std::span<float>(rewards)),
                    contains("the network reads texts, so contexts must be token_list"));
}

TEST_CASE("retrieval accuracy: by hand") {
  // Two captions, the first with two pictures, in the plane.
  const std::vector<float> texts{1, 0, 1, 0, 0, 1};
  const std::vector<index_t> captions{0, 0, 2};
  const auto run = [&](const std::vector<float>& pictures, index_t k) {
    const auto r = fewstep::retrieval_accuracy({pictures.data(), {3, 2}}, {texts.data(), {3, 2}}, captions, k);
    return std::vector<double>{r.picture_to_text, r.text_to_picture};
  };
  CHECK(run({1, 0, 0.8f, 0.6f, 0, 1}, 1) == std::vector<double>{1, 1});
  // The second picture is nearer to the other caption, and nearer than that caption's own picture.
  const auto confused = run({1, 0, 0, 1, 0.6f, 0.8f}, 1);
  CHECK(confused[0] == Approx(2.0 / 3));
  CHECK(confused[1] == Approx(0.5));
  CHECK(run({1, 0, 0, 1, 0.6f, 0.8f}, 2)[0] == Approx(1));
  CHECK(run({1, 0, 0, 1, 0.6f, 0.8f}, 2)[1] == Approx(1));
  // All pictures alike.
  CHECK(run({0.6f, 0.6f, 0.6f, 0.6f, 0.6f, 0.6f}, 1) == std::vector<double>{0, 0});
  CHECK_THROWS_WITH(run({1, 0, 0, 1, 1, 0}, 0), contains("k is 0"));
}

TEST_CASE("within-prompt diversity: by hand") {
  const auto run = [](const std::vector<float>& features, const std::vector<int>& prompts) {
    return fewstep::within_prompt_diversity<int>(
        {features.data(),
         {static_cast<index_t>(prompts.size()), static_cast<index_t>(features.size() / prompts.size())}},
        prompts);
  };
  CHECK(run({1, 0, 3, 0}, {7, 7}) == Approx(0).margin(1e-12));
  CHECK(run({1, 0, 0, 2}, {7, 7}) == Approx(1));
  CHECK(run({1, 0, -1, 0}, {7, 7}) == Approx(2));
  // Right angles in one prompt, equal in the other, and a prompt with one sample.
  CHECK(run({1, 0, 1, 1, 0, 2, 1, 1, 5, 5}, {1, 2, 1, 2, 3}) == Approx(0.5));
  // 0, 90 and 180 degrees: distances 1, 1 and 2.
  CHECK(run({1, 0, 0, 1, -1, 0}, {1, 1, 1}) == Approx(4.0 / 3));
  CHECK_THROWS_WITH(run({1, 0, 0, 1}, {1, 2}), contains("no prompt has two of the 2 samples"));
  CHECK_THROWS_WITH(run({0, 0, 0, 1}, {1, 1}), contains("the features of sample 0 are zero"));
}

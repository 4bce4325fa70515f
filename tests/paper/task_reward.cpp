// SPDX-License-Identifier: Apache-2.0
#include "paper/task_reward.hpp"

#include "paper/small_data.hpp"
#include "support/test_seed.hpp"
#include "test.hpp"

#include <cmath>
#include <filesystem>
#include <random>
#include <string>
#include <vector>

namespace {

using fewstep::index_t;
using paper::emoji_data;

std::vector<float> random_values(std::mt19937& random, index_t count) {
  std::normal_distribution<float> normal(0, 0.4f);
  std::vector<float> values(static_cast<std::size_t>(count));
  for (float& value : values) value = normal(random);
  return values;
}

double product(const std::vector<float>& a, const std::vector<float>& b) {
  double sum = 0;
  for (std::size_t i = 0; i < a.size(); ++i) sum += static_cast<double>(a[i]) * static_cast<double>(b[i]);
  return sum;
}

std::vector<float> enlarged(const std::vector<float>& picture) {
  std::vector<float> large(static_cast<std::size_t>(emoji_data::picture_size));
  paper::enlarge(picture, large);
  return large;
}

}  // namespace

TEST_CASE("an enlarged picture reduces to itself, and gradients go back as the adjoint says") {
  const auto seed = fewstep::test::test_seed(3);
  CAPTURE(seed);
  std::mt19937 random(seed);
  for (const index_t size : {paper::small_size, emoji_data::picture_size}) {
    CAPTURE(size);
    const auto picture = random_values(random, size), large = random_values(random, emoji_data::picture_size);
    std::vector<float> reduced(picture.size()), gradient(picture.size());
    paper::reduce(enlarged(picture), reduced);
    CHECK(reduced == picture);
    paper::enlarge_backward(large, gradient);
    CHECK(product(enlarged(picture), large) == Approx(product(picture, gradient)).epsilon(1e-5).margin(1e-3));
  }
  std::vector<float> other(3 * 8 * 8), large(static_cast<std::size_t>(emoji_data::picture_size));
  CHECK_THROWS_WITH(paper::enlarge(other, large),
                    contains("a picture has 192 values; the pictures here are 16 x 16 or 32 x 32"));
}

TEST_CASE("a task's reward of a small picture is that of the picture enlarged, and the gradient is its difference") {
  const std::string task = GENERATE("preference", "alignment");
  const auto seed = fewstep::test::test_seed(4);
  CAPTURE(task, seed);
  std::mt19937 random(seed);
  const std::filesystem::path root = REPOSITORY;
  const auto data = emoji_data::load(root / "examples" / "text_to_emoji" / "data");
  const paper::task_reward reward(task, root / paper::default_reward_model(task), data.words, 1);
  const std::vector<fewstep::token_list> contexts{data.words.encode("red heart").tokens,
                                                  data.words.encode("cat face").tokens};

  const index_t size = paper::small_size;
  auto small = random_values(random, 2 * size);
  std::vector<float> large;
  for (const index_t i : {index_t{0}, size}) {
    const auto one = enlarged({small.begin() + i, small.begin() + i + size});
    large.insert(large.end(), one.begin(), one.end());
  }
  std::vector<float> of_small(2), of_large(2), again(2), gradient(small.size());
  const auto rate = [&](std::vector<float>& out) { reward({small.data(), {2, size}}, contexts, out); };
  rate(of_small);
  reward({large.data(), {2, emoji_data::picture_size}}, contexts, of_large);
  CHECK(of_small == of_large);
  reward.value_and_gradient({small.data(), {2, size}}, contexts, again, {gradient.data(), {2, size}});
  CHECK(again == of_small);

  // Along its own gradient, by which the float's rounding weighs least.
  const double norm = std::sqrt(product(gradient, gradient));
  REQUIRE(norm > 0);
  const auto before = small;
  const double step = 1e-2;
  double ends[2];
  for (const int side : {0, 1}) {
    for (std::size_t i = 0; i < small.size(); ++i)
      small[i] = before[i] + static_cast<float>((side == 0 ? -step : step) * static_cast<double>(gradient[i]) / norm);
    rate(again);
    ends[side] = static_cast<double>(again[0]) + static_cast<double>(again[1]);
  }
  CHECK((ends[1] - ends[0]) / (2 * step) == Approx(norm).epsilon(0.02));
}

TEST_CASE("a task that there is not is refused by name") {
  CHECK_THROWS_WITH(
      paper::task_reward("beauty", {}, fewstep::vocabulary{}, 1),
      contains("there is no reward 'beauty'; use compressibility, incompressibility, preference or alignment"));
}

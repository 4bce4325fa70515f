// SPDX-License-Identifier: Apache-2.0
#include "test.hpp"

#include <fewstep/advantage/prompt_buffer.hpp>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <limits>
#include <map>
#include <random>
#include <set>
#include <string>
#include <vector>

using fewstep::prompt_buffer_advantage;

namespace {

std::vector<float> advantages_of(prompt_buffer_advantage& tracker, const std::vector<float>& rewards,
                                 const std::vector<std::int32_t>& prompts) {
  std::vector<float> out(rewards.size());
  tracker(rewards, prompts, out);
  return out;
}

/// The published procedure with the containers of its Python original.
class reference_tracker {
 public:
  reference_tracker(std::size_t capacity, std::size_t min_count) : capacity_(capacity), min_count_(min_count) {}

  std::vector<double> update(const std::vector<float>& rewards, const std::vector<std::int32_t>& prompts) {
    std::vector<double> out(rewards.size());
    const std::vector<double> batch(rewards.begin(), rewards.end());
    for (const std::int32_t prompt : std::set<std::int32_t>(prompts.begin(), prompts.end())) {
      std::deque<double>& kept = kept_[prompt];
      for (std::size_t i = 0; i < rewards.size(); ++i) {
        if (prompts[i] != prompt) continue;
        kept.push_back(static_cast<double>(rewards[i]));
        if (kept.size() > capacity_) kept.pop_front();
      }
      const std::vector<double> values =
          kept.size() < min_count_ ? batch : std::vector<double>(kept.begin(), kept.end());
      double mean = 0, square = 0;
      for (const double v : values) mean += v / static_cast<double>(values.size());
      for (const double v : values) square += (v - mean) * (v - mean) / static_cast<double>(values.size());
      for (std::size_t i = 0; i < rewards.size(); ++i)
        if (prompts[i] == prompt)
          out[i] = std::clamp((static_cast<double>(rewards[i]) - mean) / (std::sqrt(square) + 1e-6), -10.0, 10.0);
    }
    return out;
  }

 private:
  std::size_t capacity_, min_count_;
  std::map<std::int32_t, std::deque<double>> kept_;
};

/// Keeps values by name, as a checkpoint does.
struct memory_archive {
  std::map<std::string, std::vector<double>>& content;
  bool loads;
  std::string prefix = {};

  template <class T>
  void operator()(const std::string& name, T& value) {
    auto& stored = content[prefix + name];
    if constexpr (requires { value.serialize(*this); }) {
      memory_archive section{content, loads, prefix + name + "."};
      value.serialize(section);
    } else if constexpr (requires { value.size(); }) {
      if (loads)
        value.assign(stored.begin(), stored.end());
      else
        stored.assign(value.begin(), value.end());
    } else {
      if (loads)
        value = static_cast<T>(stored.at(0));
      else
        stored.assign(1, static_cast<double>(value));
    }
  }
};

}  // namespace

TEST_CASE("prompt_buffer_advantage uses the batch until min_count rewards are kept, pushing first") {
  prompt_buffer_advantage tracker;
  std::vector<float> rewards(14);
  for (std::size_t i = 0; i < rewards.size(); ++i) rewards[i] = static_cast<float>(i);
  advantages_of(tracker, rewards, std::vector<std::int32_t>(14, 3));

  // The 15th reward: batch statistics of a batch of one, so 0.
  CHECK(advantages_of(tracker, {14.0f}, {3}) == std::vector<float>{0.0f});
  // The 16th is counted before it is judged: mean 7.5, population std sqrt((16^2 - 1) / 12), its own value included.
  const auto sixteenth = advantages_of(tracker, {15.0f}, {3});
  CHECK(sixteenth[0] == Approx(7.5 / (std::sqrt(255.0 / 12) + 1e-6)).epsilon(1e-6));
  // The 17th pushes out the first: the ring is 1 .. 16.
  const auto seventeenth = advantages_of(tracker, {16.0f}, {3});
  CHECK(seventeenth[0] == Approx(7.5 / (std::sqrt(255.0 / 12) + 1e-6)).epsilon(1e-6));
}

TEST_CASE("prompt_buffer_advantage does not truncate integer-valued rewards") {
  prompt_buffer_advantage tracker;
  const auto out = advantages_of(tracker, {1.0f, 2.0f, 4.0f}, {0, 1, 2});
  const double mean = 7.0 / 3, deviation = std::sqrt(21.0 / 3 - mean * mean);
  CHECK(out[0] == Approx((1 - mean) / deviation).epsilon(1e-5));
  CHECK(out[1] == Approx((2 - mean) / deviation).epsilon(1e-5));
  CHECK(out[2] == Approx((4 - mean) / deviation).epsilon(1e-5));
}

TEST_CASE("prompt_buffer_advantage follows the published procedure over many updates") {
  const unsigned seed = GENERATE(1u, 2u, 3u);
  CAPTURE(seed);
  std::mt19937 random(seed);
  std::normal_distribution<float> law(-3.0f, 2.0f);
  const int capacity = seed == 2 ? 32 : 16;
  prompt_buffer_advantage tracker{.capacity = capacity, .min_count = 16};
  reference_tracker reference(static_cast<std::size_t>(capacity), 16);
  for (int update = 0; update < 60; ++update) {
    const std::size_t n = 1 + random() % 60;
    std::vector<float> rewards(n);
    std::vector<std::int32_t> prompts(n);
    for (std::size_t i = 0; i < n; ++i) {
      prompts[i] = 100 - 7 * static_cast<std::int32_t>(random() % 9);
      rewards[i] = law(random) + static_cast<float>(prompts[i]);
    }
    const auto out = advantages_of(tracker, rewards, prompts);
    const auto expected = reference.update(rewards, prompts);
    for (std::size_t i = 0; i < n; ++i) {
      CAPTURE(update, i, prompts[i]);
      REQUIRE(static_cast<double>(out[i]) == Approx(expected[i]).margin(1e-5));
    }
  }
  CHECK(tracker.history.prompts() == 9);
}

TEST_CASE("prompt_buffer_advantage clips, and gives 0 for equal rewards") {
  prompt_buffer_advantage tracker{.clip = 1.5f};
  const auto out = advantages_of(tracker, {0, 0, 0, 0, 0, 0, 0, 100}, {0, 1, 2, 3, 4, 5, 6, 7});
  CHECK(out[7] == 1.5f);
  CHECK(advantages_of(tracker, {0.1f, 0.1f, 0.1f}, {8, 9, 10}) == std::vector<float>{0, 0, 0});
}

TEST_CASE("prompt_buffer_advantage resumes from what it saved") {
  prompt_buffer_advantage tracker, resumed;
  for (int update = 0; update < 23; ++update)
    advantages_of(tracker, {0.5f * static_cast<float>(update), 1.25f, -static_cast<float>(update)},
                  {4, -2, update % 2});
  std::map<std::string, std::vector<double>> content;
  memory_archive saving{content, false};
  tracker.serialize(saving);
  memory_archive loading{content, true};
  resumed.serialize(loading);
  CHECK(resumed.history.prompts() == 4);
  const std::vector<float> rewards = {3.0f, -1.0f, 2.0f, 0.5f, 9.0f};
  const std::vector<std::int32_t> prompts = {4, 0, 1, -2, 77};
  CHECK(advantages_of(resumed, rewards, prompts) == advantages_of(tracker, rewards, prompts));

  content["history.heads"].pop_back();
  CHECK_THROWS_WITH(resumed.serialize(loading), contains("do not fit together"));
}

TEST_CASE("prompt_buffer_advantage refuses bad calls before its memory changes") {
  prompt_buffer_advantage tracker;
  std::vector<float> out(2);
  const std::vector<float> rewards = {1.0f, 2.0f};
  const std::vector<std::int32_t> prompts = {0, 1};
  CHECK_THROWS_WITH(tracker(rewards, std::vector<std::int32_t>{0}, out), contains("2 rewards but 1 prompts"));
  CHECK_THROWS_WITH(tracker({}, {}, {}), contains("the batch is empty"));
  const std::vector<float> broken = {1.0f, std::numeric_limits<float>::infinity()};
  CHECK_THROWS_WITH(tracker(broken, prompts, out), contains("the reward of sample 1 (prompt 1) is inf"));
  CHECK(tracker.history.prompts() == 0);
  prompt_buffer_advantage never{.capacity = 16, .min_count = 17};
  CHECK_THROWS_WITH(never(rewards, prompts, out), contains("min_count is 17; it must be from 1 to 16"));
  tracker(rewards, prompts, out);
  tracker.capacity = 32;
  CHECK_THROWS_WITH(tracker(rewards, prompts, out), contains("capacity is 32 but rewards are kept with capacity 16"));
}

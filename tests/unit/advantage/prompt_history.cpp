// SPDX-License-Identifier: Apache-2.0
#include "test.hpp"

#include <fewstep/advantage/prompt_history.hpp>

#include <algorithm>
#include <string_view>
#include <vector>

namespace {

std::vector<float> sorted_rewards(const fewstep::prompt_history& history, std::int32_t prompt) {
  const auto kept = history.rewards(prompt);
  std::vector<float> values(kept.begin(), kept.end());
  std::sort(values.begin(), values.end());
  return values;
}

}  // namespace

TEST_CASE("prompt_history keeps the last rewards of each prompt apart") {
  fewstep::prompt_history history;
  CHECK(history.rewards(5).empty());
  for (const float value : {1.0f, 2.0f, 3.0f, 4.0f, 5.0f}) history.push(5, value, 3);
  history.push(-9, 10.0f, 3);
  history.push(7, 20.0f, 3);
  history.push(6, 30.0f, 3);
  history.push(7, 21.0f, 3);
  CHECK(sorted_rewards(history, 5) == std::vector<float>{3, 4, 5});
  CHECK(sorted_rewards(history, -9) == std::vector<float>{10});
  CHECK(sorted_rewards(history, 7) == std::vector<float>{20, 21});
  CHECK(sorted_rewards(history, 6) == std::vector<float>{30});
  CHECK(history.rewards(8).empty());
  CHECK(history.prompts() == 4);
}

TEST_CASE("prompt_history has one capacity") {
  fewstep::prompt_history history;
  CHECK_THROWS_WITH(history.push(0, 1.0f, 0), contains("capacity is 0"));
  history.push(0, 1.0f, 4);
  CHECK_THROWS_WITH(history.push(0, 1.0f, 5), contains("capacity is 5 but rewards are kept with capacity 4"));
}

namespace {

/// Hands out arrays as a damaged checkpoint would.
struct stored {
  int capacity = 2;
  std::vector<std::int32_t> ids = {3, 5}, slots = {1, 0}, counts = {1, 2}, heads = {1, 0};
  std::vector<float> values = {1, 0, 2, 3};

  void operator()(std::string_view, int& value) const { value = capacity; }
  void operator()(std::string_view name, std::vector<std::int32_t>& value) const {
    value = name == "ids" ? ids : name == "slots" ? slots : name == "counts" ? counts : heads;
  }
  void operator()(std::string_view, std::vector<float>& value) const { value = values; }
};

}  // namespace

TEST_CASE("prompt_history takes arrays that fit together and refuses all others") {
  fewstep::prompt_history history;
  history.push(1, 9.0f, 4);
  stored archive;
  history.serialize(archive);
  CHECK(sorted_rewards(history, 3) == std::vector<float>{2, 3});
  CHECK(sorted_rewards(history, 5) == std::vector<float>{1});

  SECTION("a head beyond the ring") { archive.heads = {100000, 0}; }
  SECTION("a count beyond the ring") { archive.counts = {1, 3}; }
  SECTION("a negative count") { archive.counts = {-1, 2}; }
  SECTION("a slot that is not there") { archive.slots = {2, 0}; }
  SECTION("prompts out of order") { archive.ids = {5, 3}; }
  SECTION("no capacity") { archive.capacity = 0; }
  SECTION("too few rewards") { archive.values.pop_back(); }
  CHECK_THROWS_WITH(history.serialize(archive), contains("do not fit together"));
  CHECK(history.prompts() == 0);
}

// SPDX-License-Identifier: Apache-2.0
#include "support/gaussian_consistency.hpp"
#include "test.hpp"

#include <fewstep/algorithm/draft.hpp>
#include <fewstep/algorithm/rlcm.hpp>
#include <fewstep/optimizer/sgd.hpp>
#include <fewstep/reward/differentiable_per_sample.hpp>

#include <array>
#include <cstdint>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace {

/// A text is conditioned on by its length.
struct reader : fewstep::test::gaussian_consistency {
  [[nodiscard]] std::int32_t encode(const std::string& text) const { return static_cast<std::int32_t>(text.size()); }
};

/// The context itself, so that rewards tell which contexts were drawn.
auto context_reward() {
  return fewstep::differentiable_per_sample([](auto, std::int32_t context, fewstep::vec<float> gradient) {
    for (float& g : gradient) g = 0;
    return context;
  });
}

/// What the samples of two updates were conditioned on.
template <class Trainer, class Updates>
std::set<float> drawn(Trainer& trainer, Updates updates) {
  std::set<float> contexts;
  int made = 0;
  for ([[maybe_unused]] const auto& update : updates) {
    contexts.insert(trainer.rewards().begin(), trainer.rewards().end());
    ++made;
  }
  CHECK(made == 2);
  return contexts;
}

template <class Trainer>
void runs_on_all(Trainer trainer) {
  using contexts = std::set<float>;
  const std::vector<std::int32_t> numbers{0, 1};
  const contexts as_numbers{0, 1}, as_lengths{3, 4};
  CHECK(drawn(trainer, trainer.run(numbers, 2)) == as_numbers);
  CHECK(drawn(trainer, trainer.run({0, 1}, 2)) == as_numbers);
  CHECK(drawn(trainer, trainer.run({7}, 2)) == contexts{7});
  CHECK(drawn(trainer, trainer.run({0, 0}, 2)) == contexts{0});
  CHECK(drawn(trainer, trainer.run(std::array<std::int32_t, 2>{0, 1}, 2)) == as_numbers);
  CHECK(drawn(trainer, trainer.run(std::span(numbers), 2)) == as_numbers);

  const std::vector<std::string> texts{"cat", "bird"};
  CHECK(drawn(trainer, trainer.run(texts, 2)) == as_lengths);
  CHECK(drawn(trainer, trainer.run(std::vector<std::string>{"cat", "bird"}, 2)) == as_lengths);
  CHECK(drawn(trainer, trainer.run({"cat", "bird"}, 2)) == as_lengths);
  CHECK(drawn(trainer, trainer.run({"cat"}, 2)) == contexts{3});
  CHECK(drawn(trainer, trainer.run({texts[0], "bird"}, 2)) == as_lengths);
  CHECK(drawn(trainer, trainer.run(std::array<const char*, 2>{"cat", "bird"}, 2)) == as_lengths);
  CHECK(drawn(trainer, trainer.run(std::vector<std::string_view>{"cat", "bird"}, 2)) == as_lengths);
  const std::initializer_list<std::string> listed{"cat", "bird"};
  CHECK(drawn(trainer, trainer.run(listed, 2)) == as_lengths);
  CHECK(drawn(trainer, trainer.run(fewstep::prompt_list{{"cat", "bird"}}, 2)) == as_lengths);
  CHECK(drawn(trainer, trainer.run({{"cat", "bird"}}, 2)) == as_lengths);

  CHECK(trainer.update({5}).reward_mean == 5);
}

}  // namespace

TEST_CASE("a policy gradient runs on contexts and on texts, by name or in braces") {
  fewstep::cpu_backend backend({.threads = 1});
  reader model;
  runs_on_all(
      fewstep::rlcm(backend, model, context_reward(), fewstep::sgd{}, {.horizon = 2, .batch = {.prompts = 32}}));
}

TEST_CASE("a direct reward gradient runs on contexts and on texts, by name or in braces") {
  fewstep::cpu_backend backend({.threads = 1});
  reader model;
  runs_on_all(
      fewstep::draft(backend, model, context_reward(), fewstep::sgd{}, {.horizon = 2, .batch = {.prompts = 32}}));
}

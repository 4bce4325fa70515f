// SPDX-License-Identifier: Apache-2.0
#include "support/affine_toy.hpp"
#include "support/gaussian_consistency.hpp"
#include "test.hpp"

#include <fewstep/advantage/group.hpp>
#include <fewstep/algorithm/experience.hpp>
#include <fewstep/decoder/decoder.hpp>
#include <fewstep/sampler/consistency.hpp>

#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <limits>
#include <span>
#include <utility>
#include <vector>

using fewstep::cpu_backend;
using fewstep::index_t;
using fewstep::test::affine_toy;

namespace {

/// The number of the sample, but for one that has none.
struct numbered {
  index_t bad = -1;

  void operator()(fewstep::matrix<const float> samples, std::span<const std::int32_t>, std::span<float> out) const {
    for (index_t i = 0; i < samples.rows(); ++i)
      out[static_cast<std::size_t>(i)] = i == bad ? std::numeric_limits<float>::infinity() : static_cast<float>(i);
  }
};

}  // namespace

TEST_CASE("an experience says what every action was worth, by row, and 0 for samples that are left out") {
  const index_t bad = GENERATE(-1, 0, 4, 5);
  constexpr index_t samples = 6;
  cpu_backend backend({.threads = 1});
  affine_toy model(affine_toy::process::edm);
  numbered reward{bad};
  fewstep::identity_decoder decoder;
  const auto table = fewstep::consistency_sampler{}.table(model.preconditioner(), 4);
  fewstep::experience<cpu_backend, affine_toy, numbered, fewstep::identity_decoder> lived(
      backend, model, table,
      {.prompts = 2,
       .samples_per_prompt = 3,
       .rewards = {.when_not_finite = fewstep::non_finite::leave_out, .at_most = 0.5f}},
      decoder);
  const std::vector<std::int32_t> contexts{7, 8, 9};
  lived.collect(backend, model, reward, decoder, contexts, {1, 0}, fewstep::reduction::mean);
  lived.weigh(backend, [](std::span<const float> rewards, std::span<const std::int32_t>, std::span<float> out) {
    for (std::size_t i = 0; i < rewards.size(); ++i) out[i] = 100 + rewards[i];
  });
  const auto judged = lived.rated_path();
  REQUIRE(judged.advantages.size() == table.horizon() * samples);
  for (index_t row = 0; row < judged.advantages.size(); ++row) {
    const index_t sample = row % samples;
    CAPTURE(bad, row);
    CHECK(judged.advantages.host()[static_cast<std::size_t>(row)] ==
          (sample == bad ? 0.0f : 100.0f + static_cast<float>(sample)));
    CHECK(judged.path.is_left_out(sample) == (sample == bad));
  }
}

namespace {

/// The context of a sample, but for those of one prompt, of which only the first has a number.
struct context_of {
  std::int32_t bad = -1;

  void operator()(fewstep::matrix<const float>, std::span<const std::int32_t> contexts, std::span<float> out) const {
    bool first = true;
    for (std::size_t i = 0; i < out.size(); ++i) {
      out[i] = static_cast<float>(contexts[i]);
      if (contexts[i] == bad && !std::exchange(first, false)) out[i] = std::numeric_limits<float>::quiet_NaN();
    }
  }
};

/// An experience of the exact consistency function of a Gaussian.
struct lived_through {
  using model_type = fewstep::test::gaussian_consistency;
  cpu_backend backend{{.threads = 1}};
  model_type model;
  context_of reward;
  fewstep::identity_decoder decoder;
  fewstep::experience<cpu_backend, model_type, context_of, fewstep::identity_decoder> experience;

  explicit lived_through(fewstep::experience_options o, std::int32_t bad = -1)
      : reward{bad},
        experience(backend, model, fewstep::consistency_sampler{}.table(model.preconditioner(), 3), o, decoder) {}

  void collect(const std::vector<std::int32_t>& contexts, fewstep::experience_key key) {
    experience.collect(backend, model, reward, decoder, contexts, key, fewstep::reduction::mean);
  }
  [[nodiscard]] std::vector<std::int32_t> prompts() const {
    return {experience.prompts().begin(), experience.prompts().end()};
  }
  [[nodiscard]] std::vector<float> samples() const {
    return {experience.samples().begin(), experience.samples().end()};
  }
};

}  // namespace

TEST_CASE("an experience draws prompts by seed and update, whose samples stand together") {
  const std::vector<std::int32_t> contexts{30, 31, 32, 33};
  lived_through lived({.prompts = 5, .samples_per_prompt = 3});
  std::vector<int> drawn(contexts.size());
  for (std::int64_t update = 0; update < 40; ++update) {
    lived.collect(contexts, {4, update});
    for (std::size_t i = 0; i < 15; ++i) {
      const auto prompt = static_cast<std::size_t>(lived.experience.prompts()[i]);
      REQUIRE(prompt < contexts.size());
      CHECK(prompt == static_cast<std::size_t>(lived.experience.prompts()[i / 3 * 3]));
      CHECK(lived.experience.rewards()[i] == static_cast<float>(contexts[prompt]));
      ++drawn[prompt];
    }
  }
  // 200 draws of 4: 50 each, give or take 5.5 standard deviations of 6.1 (false alarm 2e-7).
  for (const int count : drawn) CHECK(std::abs(count / 3 - 50) < 34);

  lived.collect(contexts, {4, 7});
  const auto prompts = lived.prompts();
  const auto samples = lived.samples();
  lived.collect(contexts, {4, 8});
  CHECK(lived.samples() != samples);
  lived.collect(contexts, {5, 7});
  CHECK(lived.samples() != samples);
  lived.collect(contexts, {4, 7});
  CHECK(lived.samples() == samples);
  CHECK(lived.prompts() == prompts);
}

TEST_CASE("samples of a prompt start from one state where an experience is asked to") {
  const bool shared = GENERATE(false, true);
  lived_through lived({.prompts = 2, .samples_per_prompt = 3, .shared_initial_noise = shared});
  lived.collect({0}, {1, 0});
  const auto first = lived.experience.path().rows(0, 6).x;
  for (index_t r = 0; r < 6; ++r) CHECK((first(r, 0) == first(r / 3 * 3, 0)) == (shared || r % 3 == 0));
  CHECK(first(0, 0) != first(3, 0));
}

TEST_CASE("a prompt of which too few samples are left to be compared is left out of an experience") {
  const int least = GENERATE(1, 2);
  const std::vector<std::int32_t> contexts{30, 31};
  lived_through lived({.prompts = 6,
                       .samples_per_prompt = 2,
                       .rewards = {.when_not_finite = fewstep::non_finite::leave_out, .at_most = 0.9f},
                       .least_together = least},
                      30);
  lived.collect(contexts, {2, 0});
  index_t of_good = 0;
  for (const std::int32_t prompt : lived.prompts()) of_good += prompt == 1 ? 1 : 0;
  REQUIRE(of_good > 0);
  REQUIRE(of_good < 12);
  const auto kept = lived.experience.kept_prompts();
  CHECK(lived.experience.path().kept() == of_good + (least == 1 ? 1 : 0));  // one of context 30 has a reward
  CHECK(kept.size() == lived.experience.kept_rewards().size());
  for (std::size_t i = 0; i < kept.size(); ++i)
    CHECK(lived.experience.kept_rewards()[i] == static_cast<float>(contexts[static_cast<std::size_t>(kept[i])]));
}

TEST_CASE("an experience complains in the name of who asked for it") {
  lived_through lived({.caller = "my_trainer"});
  CHECK_THROWS_WITH(lived.collect({}, {0, 0}), contains("my_trainer: there are no prompts; give at least one"));
  lived_through all_bad({.prompts = 1,
                         .samples_per_prompt = 2,
                         .rewards = {.when_not_finite = fewstep::non_finite::leave_out, .at_most = 1},
                         .least_together = 2},
                        7);
  CHECK_THROWS_WITH(all_bad.collect({7}, {0, 0}), contains("no prompt has 2 samples with finite rewards"));
}

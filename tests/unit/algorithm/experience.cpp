// SPDX-License-Identifier: Apache-2.0
#include "support/affine_toy.hpp"
#include "test.hpp"

#include <fewstep/advantage/group.hpp>
#include <fewstep/algorithm/experience.hpp>
#include <fewstep/decoder/decoder.hpp>
#include <fewstep/sampler/consistency.hpp>

#include <cmath>
#include <limits>
#include <span>
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
  const auto judged = lived.judged_path();
  REQUIRE(judged.advantages.size() == table.horizon() * samples);
  for (index_t row = 0; row < judged.advantages.size(); ++row) {
    const index_t sample = row % samples;
    CAPTURE(bad, row);
    CHECK(judged.advantages.host()[static_cast<std::size_t>(row)] ==
          (sample == bad ? 0.0f : 100.0f + static_cast<float>(sample)));
    CHECK(judged.path.is_left_out(sample) == (sample == bad));
  }
}

// SPDX-License-Identifier: Apache-2.0
#include "support/allocations.hpp"
#include "support/arrays.hpp"
#include "support/gaussian_consistency.hpp"
#include "test.hpp"

#include <fewstep/generator/mlp_generator.hpp>
#include <fewstep/monitor/held_out_samples.hpp>
#include <fewstep/reward/per_sample.hpp>
#include <fewstep/sampler/consistency.hpp>

#include <cmath>
#include <cstdint>
#include <limits>
#include <stdexcept>
#include <vector>

using fewstep::cpu_backend;
using fewstep::held_out_samples;
using fewstep::index_t;
using fewstep::test::gaussian_consistency;

namespace {

constexpr float first_time = 4, second_time = 1;

fewstep::step_table two_steps() {
  return fewstep::consistency_sampler{.times = {first_time, second_time}}.table(gaussian_consistency::plain{}, 2);
}

float context_value(fewstep::vec<const float>, std::int32_t context) { return static_cast<float>(context); }

}  // namespace

TEST_CASE("held-out samples come from the same noise at every look, and follow the parameters") {
  cpu_backend backend({.threads = 2});
  gaussian_consistency model;
  const std::vector<std::int32_t> prompts{3, 5};
  held_out_samples held_out(backend, model, two_steps(), prompts, 4, std::uint64_t{9});
  const auto first = held_out.draw();
  const std::vector<float> kept(first.begin(), first.end());
  CHECK(held_out.contexts().size() == 8);
  const auto second = held_out.draw();
  CHECK(std::vector<float>(second.begin(), second.end()) == kept);
  model.mean += 0.5f;
  const auto third = held_out.draw();
  // f is affine in the mean: every value moves by what two consistency steps make of it.
  const double s0 = gaussian_consistency::shrinking(static_cast<double>(first_time)),
               s1 = gaussian_consistency::shrinking(static_cast<double>(second_time));
  const double moved = 0.5 * ((1 - s1) + s1 * (1 - s0));
  for (index_t i = 0; i < third.size(); ++i)
    CHECK(static_cast<double>(third.data[i] - kept[static_cast<std::size_t>(i)]) == Approx(moved).epsilon(1e-4));
}

TEST_CASE("held-out figures are means over prompts with their errors") {
  cpu_backend backend({.threads = 1});
  gaussian_consistency model;
  const std::vector<std::int32_t> prompts{1, 2, 6};
  held_out_samples held_out(backend, model, two_steps(), prompts, 2);
  held_out.draw();
  auto of_context = fewstep::per_sample(&context_value);
  const auto figure = held_out.mean_reward(of_context);
  CHECK(figure.mean == Approx(3));
  CHECK(figure.error == Approx(std::sqrt(7.0 / 3)));  // std of 1, 2, 6 is sqrt 7

  // A reward that is not finite: the first prompt has one other sample, the last none.
  const auto spoilt = [](fewstep::matrix<const float>, std::span<const std::int32_t> contexts, std::span<float> out) {
    for (std::size_t i = 0; i < out.size(); ++i)
      out[i] = i == 0 || i > 3 ? std::numeric_limits<float>::infinity() : static_cast<float>(contexts[i] + 1);
  };
  CHECK_THROWS_WITH(held_out.mean_reward(spoilt), contains("the reward of sample 0 of 6 is inf"));
  CHECK_THROWS_WITH(held_out.mean_reward(spoilt),
                    contains(" out by check = {.when_not_finite = non_finite::leave_out}"));
  const fewstep::reward_check check{.when_not_finite = fewstep::non_finite::leave_out, .at_most = 0.5f};
  const auto rest = held_out.mean_reward(spoilt, check);
  CHECK(rest.mean == Approx((held_out.contexts()[1] + 1 + held_out.contexts()[2] + 1) / 2.0));
  CHECK(rest.left_out == 3);

  double sum = 0;
  const auto x = held_out.samples();
  for (index_t p = 0; p < 3; ++p) {
    double squares = 0;
    for (index_t d = 0; d < x.cols(); ++d)
      squares += std::pow(static_cast<double>(x(2 * p, d)) - static_cast<double>(x(2 * p + 1, d)), 2);
    sum += std::sqrt(squares / static_cast<double>(x.cols())) / 3;
  }
  CHECK(held_out.diversity().mean == Approx(sum).epsilon(1e-5));
}

TEST_CASE("the divergence from a reference is the closed form of two Gaussians of one variance") {
  cpu_backend backend({.threads = 1});
  gaussian_consistency model, reference;
  model.mean = 0.7f;
  const std::vector<std::int32_t> prompts{0, 1};
  held_out_samples held_out(backend, model, two_steps(), prompts, 3);
  held_out.draw();
  const auto table = two_steps();
  const double shift = (0.7 - 0.3) * (1 - gaussian_consistency::shrinking(static_cast<double>(first_time)));
  const double sigma = static_cast<double>(table.rows[0].sigma);
  const auto divergence = held_out.divergence_from(reference);
  CHECK(divergence.mean == Approx(shift * shift / (2 * sigma * sigma)).epsilon(1e-5));
  CHECK(divergence.error < 1e-6);
  model.mean = reference.mean;
  held_out.draw();
  CHECK(held_out.divergence_from(reference).mean == 0);
  CHECK_THROWS_WITH(held_out.divergence_from(model), contains("the reference has the parameters of the generator"));
}

#ifdef FEWSTEP_TEST_COUNTS_ALLOCATIONS
TEST_CASE("a look at held-out samples allocates nothing") {
  cpu_backend backend({.threads = 1});
  fewstep::mlp_generator<cpu_backend> model(backend, {.network = {.dimension = 3, .classes = 4}});
  const std::vector<std::int32_t> prompts{0, 1, 2, 3};
  held_out_samples held_out(backend, model, fewstep::consistency_sampler{}.table(model.preconditioner(), 3), prompts,
                            1);
  held_out.draw();
  const std::size_t before = fewstep::test::allocations;
  held_out.draw();
  const std::size_t after = fewstep::test::allocations;
  CHECK(after == before);
}
#endif

TEST_CASE("held-out samples refuse what they cannot do") {
  cpu_backend backend({.threads = 1});
  gaussian_consistency model;
  const std::vector<std::int32_t> prompts{0, 1, 2, 3};
  held_out_samples held_out(backend, model, two_steps(), prompts, 1);
  held_out.draw();
  CHECK_THROWS_WITH(held_out.diversity(), contains("one sample of a prompt has no diversity"));
  CHECK_THROWS_WITH(held_out_samples(backend, model, two_steps(), std::span<const std::int32_t>(), 1),
                    contains("0 prompts and samples_per_prompt 1"));
}

TEST_CASE("held-out samples of more than there can be are refused before an array of them is made") {
  cpu_backend backend({.threads = 1});
  gaussian_consistency model;
  constexpr int most = std::numeric_limits<int>::max();
  const std::vector<std::int32_t> prompts{0, 1, 2, 3};
  CHECK_THROWS_WITH(held_out_samples(backend, model, two_steps(), prompts, most),
                    contains("held_out_samples: 4 prompts with samples_per_prompt 2147483647 are 8589934588 samples") &&
                        contains("numbers of 32 bits; use fewer of either"));
  // The least that has no number of 32 bits.
  CHECK_THROWS_WITH(held_out_samples(backend, model, two_steps(), prompts, 1 << 29),
                    contains("are 2147483648 samples"));
  CHECK_THROWS_WITH(held_out_samples(backend, model, two_steps(), prompts, -most),
                    contains("4 prompts and samples_per_prompt -2147483647; give at least one of each"));
  // Samples that can be counted, of values that cannot.
  struct endless : gaussian_consistency {
    static index_t sample_size() { return std::numeric_limits<index_t>::max() / 8; }
  } wide;
  CHECK_THROWS_AS(held_out_samples(backend, wide, two_steps(), prompts, 2), std::length_error);
}

// SPDX-License-Identifier: Apache-2.0
#include "ring.hpp"

#include <cstdio>
#include <vector>

namespace {

using namespace fewstep;

constexpr int updates = 150;
constexpr adam moved_by{.learning_rate = 5e-4f};

//! [pairs]
/// Points of the circle; of each two, the one further to the right is the better one.
void right_of_left(std::int64_t update, matrix<float> winners, matrix<float> losers, std::span<std::int32_t>) {
  const random_stream random{11, stream::data};
  for (index_t i = 0; i < winners.rows(); ++i) {
    const auto number = static_cast<std::uint64_t>(update * winners.rows() + i);
    const float a = 6.2831853f * random.uniform(number, 0), b = 6.2831853f * random.uniform(number, 1);
    const float right = std::cos(a) > std::cos(b) ? a : b, left = std::cos(a) > std::cos(b) ? b : a;
    winners(i, 0) = std::cos(right), winners(i, 1) = std::sin(right);
    losers(i, 0) = std::cos(left), losers(i, 1) = std::sin(left);
  }
}
//! [pairs]

/// The same points, judged one by one.
void right_is_good(std::int64_t update, matrix<float> x, std::span<std::int32_t>, matrix<float> labels) {
  const random_stream random{11, stream::data};
  for (index_t i = 0; i < x.rows(); ++i) {
    const float a = 6.2831853f * random.uniform(static_cast<std::uint64_t>(update * x.rows() + i));
    x(i, 0) = std::cos(a), x(i, 1) = std::sin(a);
    labels(i, 0) = x(i, 0) > 0 ? 1.0f : -1.0f;
  }
}

const auto rightness = per_sample([](vec<const float> x, std::int32_t) { return x[0]; });

/// 2048 samples of four network calls.
struct figures {
  double right = 0, near = 0;
  figures(cpu_backend& backend, ring_generator& model) {
    auto sampler =
        rlcm(backend, model, rightness, sgd{}, {.horizon = 4, .batch = {.prompts = 1, .samples_per_prompt = 2048}});
    sampler.sample(std::vector<std::int32_t>{0});
    const matrix<const float> x = sampler.samples();
    for (index_t i = 0; i < x.rows(); ++i) right += x(i, 0) > 0 ? 1.0 / 2048 : 0.0;
    near = near_circle(x);
  }
};

}  // namespace

int main() {
  cpu_backend backend({.threads = 1});
  ring_generator model = ring_base(backend), base = ring_base(backend);

  std::puts("member                      right   near the circle   winner   loser   displaced");
  const auto measure = [&](const char* name, auto trainer, const auto&... contexts) {
    preference_report last;
    for (int i = 0; i < updates; ++i) last = trainer.update(contexts...);
    const figures now(backend, model);
    std::printf("%-26s   %4.2f   %15.2f   %6.2f   %5.2f   %9.2f\n", name, now.right, now.near, last.winner_log_ratio,
                last.loser_log_ratio, last.displaced);
    std::ranges::copy(base.parameters(), model.parameters().begin());
    model.parameters_changed();
  };
  const figures before(backend, model);
  std::printf("%-26s   %4.2f   %15.2f\n", "the base", before.right, before.near);

  //! [members]
  const preference_parts parts{
      .optimizer = moved_by, .reference = frozen_reference(base), .link = logistic_link{.beta = 5}};
  const preference_algorithm_options options{.pairs = {.comparisons = 64}};
  measure("diffusion_dpo", diffusion_dpo(backend, model, right_of_left, parts, options));
  measure("  with a safeguard",
          diffusion_dpo(backend, model, right_of_left, parts,
                        {.pairs = {.comparisons = 64}, .update = {.safeguard = {.is_on = true}}}));
  measure("ddim_inpo",
          ddim_inpo(backend, model, base, right_of_left, parts, {.pairs = {.pairs = {.comparisons = 64}}}));
  measure("IPO", diffusion_dpo(
                     backend, model, right_of_left,
                     preference_parts{
                         .optimizer = moved_by, .reference = frozen_reference(base), .link = squared_link{.beta = 2}},
                     options));
  measure("MaPO",
          diffusion_dpo(backend, model, right_of_left,
                        preference_parts{.optimizer = moved_by, .link = odds_ratio_link{.timesteps = 10}}, options));
  measure("diffusion_kto", diffusion_kto(backend, model, right_is_good,
                                         preference_parts{.optimizer = moved_by,
                                                          .reference = frozen_reference(base),
                                                          .link = utility_link{.beta = 5}},
                                         options));
  measure("d3po",
          d3po(backend, model, rightness,
               preference_parts{
                   .optimizer = moved_by, .reference = frozen_reference(base), .link = logistic_link{.beta = 1}},
               {.pairs = {.horizon = 4, .batch = {.prompts = 16}}, .update = {.optimizer_steps = 1}},
               consistency_sampler{}),
          std::vector<std::int32_t>{0});
  //! [members]
}

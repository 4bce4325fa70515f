// SPDX-License-Identifier: Apache-2.0
#include "ring.hpp"

#include <fewstep/pair_file/latent_pairs.hpp>

#include <cstdio>
#include <filesystem>
#include <utility>
#include <vector>

namespace {

using namespace fewstep;

constexpr int updates = 150;
constexpr adam moved_by{.learning_rate = 5e-4f};

const auto rightness = per_sample([](vec<const float> x, std::int32_t) { return x[0]; });
const auto height = per_sample([](vec<const float> x, std::int32_t) { return x[1]; });
const auto right_of_step = per_step{[](int, vec<const float>, vec<const float> next, std::int32_t) {
  return 3 * next[0] / std::hypot(next[0], next[1]);
}};

/// Number `number` of the points of the circle with 0 <= turn < most.
void point(std::uint64_t number, std::uint64_t which, float most, float* x) {
  const float angle =
      6.2831853f * most * random_stream{11, stream::data}.uniform(number, static_cast<std::uint32_t>(which));
  x[0] = std::cos(angle), x[1] = std::sin(angle);
}

/// 500 pairs of points; the one further to the right is the better one.
pair_records<std::int32_t> judged_points() {
  pair_records<std::int32_t> records{std::vector<float>(1000), std::vector<float>(1000),
                                     std::vector<std::int32_t>(500)};
  for (std::size_t i = 0; i < 500; ++i) {
    float *first = records.first.data() + 2 * i, *second = records.second.data() + 2 * i;
    point(i, 0, 1, first), point(i, 1, 1, second);
    records.labels.push_back(first[0] > second[0] ? 1.0f : -1.0f);
  }
  return records;
}

}  // namespace

int main() {
  cpu_backend backend({.threads = 1});
  ring_generator model = ring_base(backend), base = ring_base(backend);
  const std::vector<std::int32_t> prompts{0};

  std::puts("pairs                            right     up   near the circle   displaced");
  const auto measure = [&](const char* name, auto trainer, const auto&... contexts) {
    preference_report last;
    for (int i = 0; i < updates; ++i) last = trainer.update(contexts...);
    auto sampler =
        rlcm(backend, model, rightness, sgd{}, {.horizon = 4, .batch = {.prompts = 1, .samples_per_prompt = 2048}});
    sampler.sample(prompts);
    const matrix<const float> x = sampler.samples();
    double right = 0, up = 0;
    for (index_t i = 0; i < x.rows(); ++i)
      right += x(i, 0) > 0 ? 1.0 / 2048 : 0.0, up += x(i, 1) > 0 ? 1.0 / 2048 : 0.0;
    std::printf("%-32s  %4.2f   %4.2f   %15.2f   %9.2f\n", name, right, up, near_circle(x), last.displaced);
    std::ranges::copy(base.parameters(), model.parameters().begin());
    model.parameters_changed();
  };

  const auto path = std::filesystem::temp_directory_path() / "fewstep-judged-points.safetensors";
  save_latent_pairs(path, judged_points(), {2});
  //! [sources]
  const recorded_pairs recorded(latent_pairs<std::int32_t>(path), model.sample_size());
  const auto sampled = [&](index_t pairs) {
    return sampled_pairs(backend, base, consistency_sampler{}, prompts, {.pairs = pairs});
  };
  labelled_pairs labelled(sampled(64), reward_judge(rightness));
  labelled_pairs by_both(sampled(64), reward_judge(rightness, height));
  mixed_pairs mixed(recorded, labelled_pairs(sampled(48), reward_judge(rightness)), {.share = 0.25f});
  //! [sources]
  std::filesystem::remove(path);

  //! [members]
  const preference_parts parts{
      .optimizer = moved_by, .reference = frozen_reference(base), .link = logistic_link{.beta = 5}};
  const preference_algorithm_options options{.pairs = {.comparisons = 64}};
  measure("recorded", diffusion_dpo(backend, model, recorded, parts, options));
  measure("labelled on the fly", diffusion_dpo(backend, model, std::move(labelled), parts, options));
  measure("  by two rewards", diffusion_dpo(backend, model, std::move(by_both), parts, options));
  measure("a quarter recorded", diffusion_dpo(backend, model, std::move(mixed), parts, options));
  measure("pso", pso(backend, model, rightness, parts, {.update = {.optimizer_steps = 4}}), prompts);
  measure("  by two rewards",
          pso(backend, model, pareto_rewards(rightness, height), parts, {.update = {.optimizer_steps = 4}}), prompts);
  measure("spo",
          spo(backend, model, right_of_step, parts,
              {.pairs = {.prompts = 16, .horizon = 4, .first_compared = 0}, .update = {.optimizer_steps = 1}},
              consistency_sampler{}),
          prompts);
  //! [members]

  //! [targets]
  std::vector<float> times;
  for (const step_row& row : consistency_sampler{}.table(model.preconditioner(), 4).rows) times.push_back(row.time);
  std::vector<float> others(128);
  auto targets = [&, own = sampled(64)](std::int64_t update, matrix<float> winners, matrix<float> losers,
                                        std::span<std::int32_t> contexts) mutable {
    own(update, losers, {others.data(), losers.extents}, contexts);
    for (index_t i = 0; i < winners.rows(); ++i)
      point(static_cast<std::uint64_t>(update * winners.rows() + i), 2, 0.25f, winners.row(i));
  };
  measure("pso_offline, to the upper right",
          pso_offline(backend, model, std::move(targets), parts, options, listed_times{times}));
  //! [targets]
}

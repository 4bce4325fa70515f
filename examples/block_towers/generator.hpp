// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "simulation.hpp"
#include "statics.hpp"
#include "tower.hpp"

#include <fewstep/fewstep.hpp>

#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>
#include <vector>

namespace block_towers {

/// Towers of a prompt by a rectified flow in eight network calls.
using tower_generator =
    fewstep::mlp_generator<fewstep::cpu_backend, fewstep::flow_matching, fewstep::observation_conditioning<prompt>>;
using fewstep::index_t;
using fewstep::matrix;

[[nodiscard]] inline tower_generator make_generator(fewstep::cpu_backend& backend) {
  return {backend, {.network = {.dimension = numbers, .hidden = {128, 128}}, .seed = 1}};
}
[[nodiscard]] inline fewstep::step_table steps() {
  return fewstep::flow_sde_sampler{.noise = 0}.table(fewstep::flow_matching{}, 8);
}

/// Tower number n of the data of a stream of random numbers.
[[nodiscard]] inline tower tower_of_data(const fewstep::random_stream& random, std::uint64_t n) {
  return random_tower([&](std::size_t i) { return static_cast<double>(random.uniform(n, 0, i)); },
                      [&](std::size_t i) { return static_cast<double>(random.normal(n, 1, i)); });
}
/// What towers of the data are, as prompts.
[[nodiscard]] inline std::vector<prompt> prompts_of_data(std::uint64_t seed, std::size_t count) {
  const fewstep::random_stream random{seed, fewstep::stream::data};
  std::vector<prompt> prompts;
  for (std::size_t n = 0; n < count; ++n) prompts.push_back(prompt_of(tower_of_data(random, n)));
  return prompts;
}

/// Towers that a generator made of prompts, `per_prompt` of each, one after the other.
struct judged_towers {
  std::vector<prompt> prompts;
  std::size_t per_prompt;
  std::vector<float> x;      ///< [prompts per_prompt, numbers]
  std::vector<char> stands;  ///< by the simulation

  judged_towers(fewstep::cpu_backend& backend, tower_generator& model, std::vector<prompt> of, int count,
                std::uint64_t seed)
      : prompts(std::move(of)), per_prompt(static_cast<std::size_t>(count)), stands(prompts.size() * per_prompt) {
    fewstep::held_out_samples samples(backend, model, steps(), std::span<const prompt>(prompts), count, seed);
    const matrix<const float> made = samples.draw();
    x.assign(made.begin(), made.end());
    backend.parallel_for(made.rows(), [&](auto&, int, index_t i) {
      stands[static_cast<std::size_t>(i)] = stands_in_simulation(at(static_cast<std::size_t>(i))) ? 1 : 0;
    });
  }

  [[nodiscard]] const float* row(std::size_t i) const { return x.data() + i * numbers; }
  [[nodiscard]] tower at(std::size_t i) const { return tower_of(row(i)); }
};

}  // namespace block_towers

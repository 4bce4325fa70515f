// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fewstep/backend/cpu/backend.hpp>
#include <fewstep/core/random.hpp>
#include <fewstep/core/view.hpp>
#include <fewstep/mdp/particle_process.hpp>

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>
#include <vector>

namespace fewstep::test {

/// Masked diffusion of two letters with the exact denoiser: a particle process that has neither a real state nor a
/// network. Of K steps, step k uncovers each letter that is still masked with probability 1 / (K - k), drawn from its
/// distribution given what was uncovered before the step. Letters uncovered together are independent, so the pairs come
/// out as (1 - 1/K) p + (1/K) p_1 x p_2.
class masked_pairs {
 public:
  using value_type = std::int32_t;
  static constexpr std::int32_t mask = -1;
  static constexpr std::array<std::array<double, 2>, 2> joint{{{.4, .1}, {.2, .3}}};

  masked_pairs(int steps, index_t particles) : steps_(steps), pairs_(static_cast<std::size_t>(particles)) {}

  [[nodiscard]] int steps() const { return steps_; }
  [[nodiscard]] index_t particles() const { return static_cast<index_t>(pairs_.size()); }
  [[nodiscard]] index_t sample_size() const { return 2; }

  void start(cpu_backend&, std::uint64_t seed) {
    seed_ = seed;
    pairs_.assign(pairs_.size(), {mask, mask});
  }
  void step(cpu_backend& backend, int k) {
    each(backend, [k, left = steps_ - k, source = random_stream{seed_, stream::noise}](auto i, pair& letters) {
      const pair before = letters;
      for (std::uint64_t at = 0; at < 2; ++at) {
        const auto step = static_cast<std::uint32_t>(k);
        if (before[at] == mask && source.uniform(i, step, 2 * at) * static_cast<float>(left) <= 1.0f)
          letters[at] = drawn(before, at, source.uniform(i, step, 2 * at + 1));
      }
    });
  }
  /// Each masked letter by itself, by random numbers of its own.
  void clean(cpu_backend& backend, int k, matrix<std::int32_t> out) {
    each(backend, [k, out, source = random_stream{seed_, stream::evaluation}](auto i, const pair& letters) {
      for (std::uint64_t at = 0; at < 2; ++at)
        out(static_cast<index_t>(i), static_cast<index_t>(at)) =
            letters[at] != mask ? letters[at]
                                : drawn(letters, at, source.uniform(i, static_cast<std::uint32_t>(k), at));
    });
  }
  void gather(cpu_backend&, std::span<const index_t> ancestors) {
    const std::vector<pair> before = pairs_;
    for (std::size_t i = 0; i < pairs_.size(); ++i) pairs_[i] = before[static_cast<std::size_t>(ancestors[i])];
  }

  /// To look, and to begin elsewhere.
  [[nodiscard]] std::array<std::int32_t, 2>& at(index_t particle) { return pairs_[static_cast<std::size_t>(particle)]; }

 private:
  using pair = std::array<std::int32_t, 2>;

  static std::int32_t drawn(const pair& given, std::uint64_t at, float u) {
    const std::int32_t other = given[1 - at];
    double weight[2];
    for (std::size_t letter = 0; letter < 2; ++letter) {
      const auto p = [&](std::size_t of_other) { return at == 0 ? joint[letter][of_other] : joint[of_other][letter]; };
      weight[letter] = other == mask ? p(0) + p(1) : p(static_cast<std::size_t>(other));
    }
    return static_cast<double>(u) * (weight[0] + weight[1]) <= weight[0] ? 0 : 1;
  }
  template <class F>
  void each(cpu_backend& backend, const F& f) {
    backend.parallel_for(particles(), [f, pairs = pairs_.data()](auto&, int, index_t i) {
      f(static_cast<std::uint64_t>(i), pairs[static_cast<std::size_t>(i)]);
    });
  }

  int steps_;
  std::uint64_t seed_ = 0;
  std::vector<pair> pairs_;
};
static_assert(particle_process<masked_pairs, cpu_backend>);

}  // namespace fewstep::test

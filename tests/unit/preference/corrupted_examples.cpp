// SPDX-License-Identifier: Apache-2.0
#include "support/arrays.hpp"
#include "test.hpp"

#include <fewstep/backend/cpu/backend.hpp>
#include <fewstep/generator/edm.hpp>
#include <fewstep/generator/epsilon_prediction.hpp>
#include <fewstep/generator/flow_matching.hpp>
#include <fewstep/generator/lcm.hpp>
#include <fewstep/generator/rescaled.hpp>
#include <fewstep/generator/velocity_prediction.hpp>
#include <fewstep/preference/corrupted_examples.hpp>
#include <fewstep/preference/segment_map.hpp>
#include <fewstep/preference/time_law.hpp>

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <vector>

using namespace fewstep;
using fewstep::test::normals;

namespace {

constexpr index_t count = 3, dimension = 13;

template <class P>
struct corrupted {
  P p;
  std::vector<float> clean, noised = std::vector<float>(2 * count * dimension), target = noised, times;

  corrupted(const P& of, std::vector<float> t, noise_sharing sharing, int members = 2)
      : p(of), clean(normals<float>(members * count * dimension, 4)), times(std::move(t)) {
    cpu_backend backend({.threads = 1});
    const rollout_noise noise{9, 100};
    const index_t rows = members * count;
    corrupt_examples(backend, corrupted_examples<P>{.clean = {clean.data(), {rows, dimension}},
                                                    .noised = {noised.data(), {rows, dimension}},
                                                    .target = {target.data(), {rows, dimension}},
                                                    .times = times.data(),
                                                    .preconditioner = p,
                                                    .noise = &noise,
                                                    .members = members,
                                                    .sharing = sharing});
  }
  /// The noise of a row, from what was made of it.
  [[nodiscard]] std::vector<double> noise(index_t row) const {
    std::vector<double> z;
    const noise_level level = p.level(times[static_cast<std::size_t>(row / 2)]);
    for (index_t d = 0; d < dimension; ++d)
      z.push_back((static_cast<double>(noised[static_cast<std::size_t>(row * dimension + d)]) -
                   static_cast<double>(level.signal) * static_cast<double>(clean_value(row, d))) /
                  static_cast<double>(level.noise));
    return z;
  }
  [[nodiscard]] float clean_value(index_t row, index_t d) const {
    return clean[static_cast<std::size_t>((row % 2 * count + row / 2) * dimension + d)];
  }
};

/// The clean prediction of a network that gave the target is the clean sample.
template <class P>
void check_target(const P& p, const std::vector<float>& times) {
  const corrupted<P> made(p, times, noise_sharing::own);
  for (index_t row = 0; row < 2 * count; ++row) {
    const float t = times[static_cast<std::size_t>(row / 2)];
    const coefficients c = p(t);
    INFO("row " << row << " time " << t);
    for (index_t d = 0; d < dimension; ++d) {
      const auto i = static_cast<std::size_t>(row * dimension + d);
      const double found = static_cast<double>(c.skip) * static_cast<double>(made.noised[i]) +
                           static_cast<double>(c.out) * static_cast<double>(made.target[i]);
      const double size = std::abs(static_cast<double>(c.skip) * static_cast<double>(made.noised[i])) + 1;
      CHECK(std::abs(found - static_cast<double>(made.clean_value(row, d))) < 2e-6 * size);
    }
  }
}

}  // namespace

TEST_CASE("the target of a noised sample is what leads back to the sample") {
  check_target(edm_consistency{}, {0.01f, 0.7f, 40});
  check_target(edm_denoiser{}, {0.01f, 0.7f, 40});
  check_target(flow_matching{}, {0.1f, 0.5f, 1});
  check_target(epsilon_prediction{}, {1, 400, 999});
  check_target(velocity_prediction{}, {1, 400, 999});
}

TEST_CASE("of a network that predicts the noise the target is the noise, of a flow it is the velocity") {
  const corrupted<epsilon_prediction> epsilon(epsilon_prediction{}, {10, 400, 900}, noise_sharing::own);
  const corrupted<flow_matching> flow(flow_matching{}, {0.2f, 0.5f, 0.9f}, noise_sharing::own);
  for (index_t row = 0; row < 2 * count; ++row) {
    const auto z = epsilon.noise(row), of_flow = flow.noise(row);
    for (index_t d = 0; d < dimension; ++d) {
      const auto i = static_cast<std::size_t>(row * dimension + d);
      CHECK(static_cast<double>(epsilon.target[i]) == Approx(z[static_cast<std::size_t>(d)]).margin(1e-4));
      CHECK(static_cast<double>(flow.target[i]) ==
            Approx(of_flow[static_cast<std::size_t>(d)] - static_cast<double>(flow.clean_value(row, d))).margin(1e-5));
    }
  }
}

TEST_CASE("members of a pair share their noise, or have one each, and no two pairs have the same") {
  const std::vector<float> times = {0.3f, 0.3f, 0.3f};
  const corrupted<flow_matching> shared(flow_matching{}, times, noise_sharing::shared),
      own(flow_matching{}, times, noise_sharing::own);
  for (index_t pair = 0; pair < count; ++pair) {
    CHECK(test::largest_difference(shared.noise(2 * pair), shared.noise(2 * pair + 1)) < 1e-5);
    CHECK(test::largest_difference(own.noise(2 * pair), own.noise(2 * pair + 1)) > 0.5);
    CHECK(test::largest_difference(shared.noise(2 * pair), own.noise(2 * pair)) < 1e-5);
  }
  CHECK(test::largest_difference(shared.noise(0), shared.noise(2)) > 0.5);
}

TEST_CASE("the noise of a row does not depend on where a micro-batch begins") {
  cpu_backend backend({.threads = 1});
  const corrupted<flow_matching> whole(flow_matching{}, {0.3f, 0.5f, 0.9f}, noise_sharing::own);
  std::vector<float> noised(2 * dimension), target(2 * dimension);
  const rollout_noise noise{9, 100};
  corrupt_examples(backend, corrupted_examples<flow_matching>{.clean = {whole.clean.data(), {2 * count, dimension}},
                                                              .noised = {noised.data(), {2, dimension}},
                                                              .target = {target.data(), {2, dimension}},
                                                              .times = whole.times.data(),
                                                              .preconditioner = whole.p,
                                                              .noise = &noise,
                                                              .first = 4,
                                                              .sharing = noise_sharing::own});
  CHECK(test::same_bits(noised.data(), whole.noised.data() + 4 * dimension, 2 * dimension));
  CHECK(test::same_bits(target.data(), whole.target.data() + 4 * dimension, 2 * dimension));
}

namespace {

/// The share of 4096 draws that are below t: off by 5.2 deviations of at most 1/128 once in 10^7.
template <class Law, class P>
double share_below(const Law& law, const P& p, float t) {
  constexpr std::uint64_t draws = 4096;
  double below = 0;
  for (std::uint64_t i = 0; i < draws; ++i) {
    const float drawn = law(p, random_stream{3, stream::preference_times}, i);
    REQUIRE(drawn >= p.min_time());
    REQUIRE(drawn <= p.max_time());
    below += drawn < t ? 1.0 : 0.0;
  }
  return below / static_cast<double>(draws);
}
constexpr double error = 5.2 / 128;

}  // namespace

TEST_CASE("times are drawn by their laws, within the model's") {
  CHECK(std::abs(share_below(uniform_times{}, epsilon_prediction{}, 250) - 0.25) < error);
  CHECK(std::abs(share_below(uniform_times{}, flow_matching{}, 0.75f) - 0.75) < error);
  const edm_consistency edm{};
  const float middle = std::sqrt(2 * edm.min_time() * edm.max_time());
  CHECK(std::abs(share_below(uniform_times{}, edm, middle) - 0.5) < error);
  // sigmoid(1 + n) is below sigmoid(1) half of the time, and below 1/2 with probability Phi(-1)
  CHECK(std::abs(share_below(logit_normal_times{.mean = 1}, flow_matching{}, 0.731058f) - 0.5) < error);
  CHECK(std::abs(share_below(logit_normal_times{.mean = 1}, flow_matching{}, 0.5f) - 0.158655) < error);
  // Of a flow whose network has times of its own, the flow's times are drawn; of an EDM network as a discrete process,
  // its timesteps.
  const rectified_flow<edm_consistency> flow{};
  const double least = exact_level(flow, 2 * flow.min_time()).noise, most = exact_level(flow, flow.max_time()).noise;
  const auto between = [&](double share) { return flow.time_of_noise(least + (most - least) * share); };
  CHECK(std::abs(share_below(uniform_times{}, flow, between(0.3)) - 0.3) < error);
  CHECK(std::abs(share_below(logit_normal_times{.mean = 1}, flow, between(0.731058)) - 0.5) < error);
  const variance_preserving<edm_denoiser> discrete{};
  CHECK(std::abs(share_below(logit_normal_times{.mean = 1}, discrete, time_of_timestep(discrete, 730)) - 0.5) < error);
  CHECK(std::abs(share_below(uniform_times{}, discrete, time_of_timestep(discrete, 250)) - 0.25) < error);
  const listed_times listed{{249, 499, 749, 999}};
  CHECK(std::abs(share_below(listed, epsilon_prediction{}, 500) - 0.5) < error);
}

TEST_CASE("a listed time that the model has not is refused, and so is an empty list") {
  const random_stream random{1, stream::preference_times};
  CHECK_THROWS_WITH(listed_times{{1200}}(epsilon_prediction{}, random, 0), contains("time 1200"));
  CHECK_THROWS_WITH(listed_times{}(epsilon_prediction{}, random, 0), contains("there are none"));
}

// At timestep 0 the function of a latent consistency model is its state, whatever the network says.
TEST_CASE("times at which the network has no say are not drawn, and refused where they are listed") {
  const random_stream random{3, stream::preference_times};
  for (std::uint64_t i = 0; i < 20000; ++i) {
    REQUIRE(lcm{}(uniform_times{}(lcm{}, random, i)).out != 0);
    REQUIRE(flow_matching{}(logit_normal_times{.deviation = 100}(flow_matching{}, random, i)).out != 0);
  }
  CHECK_THROWS_WITH(listed_times{{0}}(lcm{}, random, 0), contains("does not depend on the network"));
}

TEST_CASE("a segment as long as numbers go is one") {
  const segment_map map{.inner = 1, .extent = 4, .length = std::numeric_limits<index_t>::max()};
  CHECK(map.count() == 1);
  CHECK(map(3) == 0);
}

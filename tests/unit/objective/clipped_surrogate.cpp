// SPDX-License-Identifier: Apache-2.0
#include "test.hpp"

#include <fewstep/objective/clipped_surrogate.hpp>
#include <fewstep/objective/reinforce.hpp>

#include <algorithm>
#include <cmath>
#include <limits>

using fewstep::automatic_clip_range;
using fewstep::clipped_surrogate;
using fewstep::reduction;
using fewstep::transition;

namespace {

constexpr fewstep::step_row step{1, 0.5f, 1, 1, 0.5f, 1, 0, 1};

transition at(float log_ratio, float advantage) { return {log_ratio, advantage, step, 0}; }

/// PPO's equation in double precision.
double bound(double log_ratio, double advantage, double clip_range) {
  const double ratio = std::exp(log_ratio);
  return std::min(advantage * ratio, advantage * std::clamp(ratio, 1 - clip_range, 1 + clip_range));
}

}  // namespace

TEST_CASE("clipped_surrogate is PPO's bound, with its derivative") {
  const clipped_surrogate o{.clip_range = 0.2f};
  for (const float advantage : {-3.0f, -0.5f, 0.0f, 0.25f, 2.0f}) {
    for (float log_ratio = -1.01f; log_ratio < 1.0f; log_ratio += 0.07f) {
      CAPTURE(advantage, log_ratio);
      const double l = static_cast<double>(log_ratio), a = static_cast<double>(advantage);
      const double range = static_cast<double>(o.clip_range.low), h = 1e-6;
      CHECK(o(at(log_ratio, advantage)).value == Approx(bound(l, a, range)).epsilon(1e-6));
      CHECK(o(at(log_ratio, advantage)).slope ==
            Approx((bound(l + h, a, range) - bound(l - h, a, range)) / (2 * h)).margin(1e-5));
    }
  }
}

TEST_CASE("clipped_surrogate is pessimistic: it forgives only on the side that would flatter") {
  const clipped_surrogate o{.clip_range = 0.1f};
  CHECK(o(at(0.5f, 1.0f)).slope == 0.0f);
  CHECK(o(at(-0.5f, -1.0f)).slope == 0.0f);
  CHECK(o(at(-0.5f, 1.0f)).slope == Approx(std::exp(-0.5)));
  CHECK(o(at(0.5f, -1.0f)).slope == Approx(-std::exp(0.5)));
}

TEST_CASE("clipped_surrogate lets ratios rise further than fall where it is told to") {
  const clipped_surrogate o{.clip_range = {0.2f, 0.28f}};
  const auto slope = [&](double ratio, float advantage) {
    return o(at(static_cast<float>(std::log(ratio)), advantage)).slope;
  };
  CHECK(slope(1.27, 1) == Approx(1.27));
  CHECK(slope(1.29, 1) == 0.0f);
  CHECK(slope(0.81, -1) == Approx(-0.81));
  CHECK(slope(0.79, -1) == 0.0f);
  CHECK(o(at(1.0f, 2.0f)).value == 2.0f * 1.28f);
  CHECK(o(at(-1.0f, -2.0f)).value == -2.0f * 0.8f);
  CHECK(o.resolved(192, reduction::mean).clip_range == fewstep::clip_bounds{0.2f, 0.28f});
  CHECK(clipped_surrogate{{fewstep::automatic, 1.5f}}.resolved(192, reduction::mean).clip_range ==
        fewstep::clip_bounds{automatic_clip_range(192, reduction::mean), 1.5f});
  CHECK_THROWS_WITH((clipped_surrogate{{0.2f, -0.5f}}.resolved(192, reduction::mean)),
                    contains("clip_range.high is -0.5"));
}

TEST_CASE("on policy, clipped_surrogate and reinforce have slopes of the same bits") {
  for (const float advantage : {-10.0f, -0.3333333f, 0.0f, 1e-20f, 0.1f, 7.77f}) {
    const auto clipped = clipped_surrogate{}(at(0.0f, advantage));
    const auto plain = fewstep::reinforce{}(at(0.0f, advantage));
    CHECK(clipped.value == advantage);
    CHECK(clipped.slope == advantage);
    CHECK(plain.slope == advantage);
    CHECK(plain.value == 0.0f);
  }
}

TEST_CASE("objectives let not-a-number through") {
  const float bad = std::numeric_limits<float>::quiet_NaN();
  CHECK(std::isnan(clipped_surrogate{}(at(bad, 1.0f)).value));
  CHECK(std::isnan(clipped_surrogate{}(at(bad, 1.0f)).slope));
  CHECK(std::isnan(clipped_surrogate{}(at(0.0f, bad)).slope));
  CHECK(std::isnan(fewstep::reinforce{}(at(0.0f, bad)).slope));
}

TEST_CASE("automatic_clip_range bounds the density ratio by the same factor for every small sample") {
  CHECK(automatic_clip_range(36864, reduction::mean) == 1e-4f);
  CHECK(automatic_clip_range(16384, reduction::mean) == 1e-4f);
  CHECK(automatic_clip_range(192, reduction::mean) == Approx(9.496e-4).epsilon(1e-4));
  CHECK(automatic_clip_range(768, reduction::mean) == Approx(2.374e-4).epsilon(1e-4));
  CHECK(automatic_clip_range(1, reduction::mean) == Approx(0.1823216));
  CHECK(automatic_clip_range(3072, reduction::sum) == 0.2f);
  CHECK_THROWS_WITH(automatic_clip_range(0, reduction::mean), contains("dimension is 0"));
}

TEST_CASE("an automatic clip range is settled, another one kept, a useless one refused") {
  const clipped_surrogate o{.clip_range = fewstep::automatic};
  CHECK(o.resolved(192, reduction::mean).clip_range == automatic_clip_range(192, reduction::mean));
  CHECK(clipped_surrogate{1e-4f}.resolved(192, reduction::mean).clip_range == 1e-4f);
  CHECK_THROWS_WITH(clipped_surrogate{.clip_range = 1.0f}.resolved(192, reduction::mean), contains("clip_range is 1"));
  CHECK_THROWS_WITH(clipped_surrogate{.clip_range = -0.1f}.resolved(192, reduction::mean),
                    contains("clip_range is -0.1"));
}

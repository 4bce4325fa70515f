// SPDX-License-Identifier: Apache-2.0
#include "support/arrays.hpp"
#include "test.hpp"

#include <fewstep/preference/greedy_swap.hpp>
#include <fewstep/set_reward/vendi_reward.hpp>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <vector>

using namespace fewstep;
using fewstep::test::normals;

namespace {

double score(const std::vector<float>& values, index_t n) {
  return vendi_reward{}({values.data(), {n, static_cast<index_t>(values.size()) / n}});
}

}  // namespace

TEST_CASE("the Vendi score counts samples that differ") {
  CHECK(score({1, 2, 1, 2, 2, 4, 1, 2}, 4) == Approx(1).epsilon(1e-12));
  CHECK(score({2, 0, 0, 0, 1, 0, 0, 0, -3}, 3) == Approx(3).epsilon(1e-12));
  CHECK(score({2, 0, 0, 0, 0, 1, 0, 0, 0, 0, 3, 0}, 3) == Approx(3).epsilon(1e-12));  // fewer rows than features
  for (const double rho : {0.1, 0.6, 0.99}) {
    const double a = (1 + rho) / 2, b = (1 - rho) / 2, entropy = -a * std::log(a) - b * std::log(b);
    const auto other = static_cast<float>(std::sqrt(1 - rho * rho));
    CHECK(score({1, 0, static_cast<float>(rho), other}, 2) == Approx(std::exp(entropy)).epsilon(1e-6));
    Eigen::Matrix2d kernel;
    kernel << 1, rho, rho, 1;
    CHECK(vendi_score(kernel) == Approx(std::exp(entropy)).epsilon(1e-12));
  }
}

TEST_CASE("the Vendi score of an exchange is that of a recomputation, by rows and by features") {
  for (const index_t p : {3, 30}) {
    const index_t n = 11;
    auto set = normals<float>(n * p, 1);
    const auto others = normals<float>(n * p, 2);
    const vendi_reward reward;
    auto tracked = reward.track({set.data(), {n, p}});
    CHECK(tracked.value() == Approx(reward({set.data(), {n, p}})).epsilon(1e-12));
    for (index_t i = 0; i < n; ++i) {
      const double promised = tracked.value_with(i, {others.data() + i * p, {p}});
      if (i % 3 == 0) continue;
      tracked.exchange();
      std::copy_n(others.begin() + i * p, p, set.begin() + i * p);
      CHECK(tracked.value() == promised);
      CHECK(promised == Approx(reward({set.data(), {n, p}})).epsilon(1e-10));
    }
  }
}

TEST_CASE("a greedy swap by the Vendi score makes of copies a varied set") {
  // Each pair has one sample that all have, and one of its own.
  const index_t n = 6;
  std::vector<float> first(n * n), second(n * n);
  for (index_t i = 0; i < n; ++i) {
    (i % 2 == 0 ? first : second)[static_cast<std::size_t>(i * n)] = 1;
    (i % 2 == 0 ? second : first)[static_cast<std::size_t>(i * n + i)] = 1;
  }
  const demonstrations d = greedy_swap(vendi_reward{}, {first.data(), {n, n}}, {second.data(), {n, n}});
  CHECK(d.positive == Approx(6).epsilon(1e-10));
  CHECK(d.negative == Approx(1).epsilon(1e-10));
}

TEST_CASE("sets that have no Vendi score are refused by their row") {
  CHECK_THROWS_WITH(score({1, 2, 0, 0}, 2), contains("vendi_reward: the features of row 1 are all 0"));
  CHECK_THROWS_WITH(score({1, 2, 0, INFINITY}, 2), contains("vendi_reward: feature 1 of row 1 is inf"));
  const std::vector<float> values{1, 2, 3, 4};
  auto tracked = vendi_reward{}.track({values.data(), {2, 2}});
  CHECK_THROWS_WITH(tracked.value_with(0, {values.data(), {3}}),
                    contains("the features have 3 values, but those of the set have 2"));
}

// SPDX-License-Identifier: Apache-2.0
#include "support/network_fixture.hpp"
#include "test.hpp"

#include <fewstep/nn/guidance_embedding.hpp>

#include <cmath>
#include <vector>

using fewstep::index_t;

namespace {

std::vector<double> embedding(std::vector<float> weights, index_t width) {
  fewstep::test::network_fixture<double> fixture;
  const fewstep::vec<const float> view{weights.data(), {static_cast<index_t>(weights.size())}};
  return fixture.output([&](auto& p) { return fewstep::guidance_embedding<double>(p, view, width); });
}

}  // namespace

TEST_CASE("guidance_embedding: the published embedding of w = 7 in 256 values") {
  const auto y = embedding({7}, 256);
  REQUIRE(y.size() == 256);
  CHECK(y[0] == Approx(std::sin(7000.0)).epsilon(1e-12));
  CHECK(y[128] == Approx(std::cos(7000.0)).epsilon(1e-12));
  CHECK(y[127] == Approx(std::sin(0.7)).epsilon(1e-10));  // the last frequency is 1 / 10000
  CHECK(y[255] == Approx(std::cos(0.7)).epsilon(1e-10));
  for (std::size_t j = 0; j < 128; ++j) CHECK(y[j] * y[j] + y[128 + j] * y[128 + j] == Approx(1.0));
}

TEST_CASE("guidance_embedding: rows are of their own weight, and a width without pairs is refused") {
  const auto both = embedding({0, 2.5f}, 8), second = embedding({2.5f}, 8);
  CHECK(std::vector<double>(both.begin(), both.begin() + 8) == std::vector<double>{0, 0, 0, 0, 1, 1, 1, 1});
  CHECK(std::vector<double>(both.begin() + 8, both.end()) == second);
  CHECK_THROWS_WITH(embedding({1}, 7), contains("width is 7; it must be even and at least 4"));
  CHECK_THROWS_WITH(embedding({1}, 2), contains("width is 2"));
}

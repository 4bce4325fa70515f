// SPDX-License-Identifier: Apache-2.0
#include "support/gaussian_consistency.hpp"
#include "test.hpp"

#include <fewstep/regularizer/kl_to_reference.hpp>

#include <limits>
#include <vector>

using fewstep::cpu_backend;
using fewstep::kl_to_reference;
using fewstep::test::gaussian_consistency;

TEST_CASE("kl_to_reference gives the output of the reference, held by reference") {
  cpu_backend backend({.threads = 1});
  gaussian_consistency anchor;
  kl_to_reference<gaussian_consistency> regularizer(anchor);
  CHECK(regularizer.coefficient() == 0.03f);
  regularizer.prepare(backend, 2);
  const std::vector<float> x = {1, 2, 3, -1, 0, 1}, times = {1, 4};
  const std::vector<std::int32_t> contexts = {0, 0};
  std::vector<float> o(6);
  for (const float mean : {0.3f, -1.0f}) {
    anchor.mean = mean;
    regularizer.reference_output(backend, {{x.data(), {2, 3}}, {times.data(), {2}}, {contexts.data(), {2}}},
                                 {o.data(), {2, 3}});
    for (std::size_t i = 0; i < 6; ++i) {
      const double s = gaussian_consistency::shrinking(static_cast<double>(times[i / 3]));
      CHECK(o[i] == Approx(static_cast<double>(mean) + (static_cast<double>(x[i]) - static_cast<double>(mean)) * s));
    }
  }
}

TEST_CASE("kl_to_reference refuses a coefficient that is negative or not finite") {
  gaussian_consistency anchor;
  for (const float bad : {-0.1f, std::numeric_limits<float>::infinity(), std::numeric_limits<float>::quiet_NaN()})
    CHECK_THROWS_WITH(kl_to_reference<gaussian_consistency>(anchor, {.coefficient = bad}),
                      contains("kl_to_reference: coefficient is "));
  CHECK_NOTHROW(kl_to_reference<gaussian_consistency>(anchor, {.coefficient = 0}));
}

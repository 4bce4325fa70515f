// SPDX-License-Identifier: Apache-2.0
#include "cuda/support.cuh"

#include <fewstep/core/element_kernels.hpp>
#include <fewstep/optimizer/gradient_norm.hpp>

using namespace fewstep;
using namespace fewstep::test;

TEMPLATE_LIST_TEST_CASE("sum adds up in double, whatever the length", "[cuda]", devices) {
  for (const index_t n : {index_t{0}, index_t{1}, index_t{255}, index_t{16384}, index_t{16385}, index_t{50001}}) {
    const auto values = normals<float>(n, 3);
    double expected = 0;
    for (const float v : values) expected += static_cast<double>(v) * static_cast<double>(v);
    in_every_order<TestType>([&](TestType& backend) {
      const auto x = to_device(backend, values);
      const double sum = backend.sum(n, detail::square_of{x.data()});
      CHECK(sum == Approx(expected).epsilon(1e-13));
      return std::vector<double>{sum};
    });
  }
}

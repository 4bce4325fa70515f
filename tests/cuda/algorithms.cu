// SPDX-License-Identifier: Apache-2.0
#include "cuda/support.cuh"

#include <fewstep/cuda/algorithms.cuh>

#include <algorithm>
#include <cstdint>
#include <numeric>
#include <vector>

using namespace fewstep;
using namespace fewstep::test;

struct squared {
  FEWSTEP_HD double operator()(float x) const { return static_cast<double>(x) * static_cast<double>(x); }
};
struct larger {
  FEWSTEP_HD float operator()(float a, float b) const { return a > b ? a : b; }
};
struct negated {
  FEWSTEP_HD float operator()(float x) const { return -x; }
};
struct added {
  FEWSTEP_HD double operator()(double a, double b) const { return a + b; }
};

TEMPLATE_LIST_TEST_CASE("transform and reductions", "[cuda]", devices) {
  for (const index_t n : {0, 1, 1000}) {
    CAPTURE(n);
    const auto values = normals<float>(n, 1);
    TestType backend;
    const auto from = to_device(backend, values);
    tensor<double, 1, TestType> to(backend, {n});
    transform(backend, from.view(), to.view(), squared{});
    std::vector<double> squares(values.size());
    std::transform(values.begin(), values.end(), squares.begin(), squared{});
    CHECK(same_bits(to_host(backend, to), squares));
    CHECK(transform_reduce(backend, from.view(), squared{}, 2.0, added{}) ==
          Approx(std::accumulate(squares.begin(), squares.end(), 2.0)).epsilon(1e-13));
    CHECK(reduce(backend, from.view(), 0.25f, larger{}) ==
          std::accumulate(values.begin(), values.end(), 0.25f, larger{}));
  }
  TestType backend;
  tensor<float, 1, TestType> three(backend, {3}), four(backend, {4});
  CHECK_THROWS_WITH(transform(backend, three.view(), four.view(), negated{}), contains("3 elements"));
}

TEMPLATE_LIST_TEST_CASE("sums of segments, some of them empty", "[cuda]", devices) {
  TestType backend;
  const auto values = to_device(backend, std::vector<float>{1, 2, 3, 4, 5});
  const auto offsets = to_device(backend, std::vector<index_t>{0, 2, 2, 5});
  tensor<float, 1, TestType> sums(backend, {3});
  segmented_sum(backend, values.view(), offsets.view(), sums.view());
  CHECK(to_host(backend, sums) == std::vector<float>{3, 0, 12});
}

TEMPLATE_LIST_TEST_CASE("scans", "[cuda]", devices) {
  std::vector<std::int32_t> values(777), inclusive(777), exclusive(777);
  std::iota(values.begin(), values.end(), -300);
  std::inclusive_scan(values.begin(), values.end(), inclusive.begin());
  std::exclusive_scan(values.begin(), values.end(), exclusive.begin(), 0);
  TestType backend;
  auto from = to_device(backend, values);
  tensor<std::int32_t, 1, TestType> to(backend, {777});
  inclusive_scan(backend, from.view(), to.view());
  CHECK(to_host(backend, to) == inclusive);
  exclusive_scan(backend, from.view(), from.view());
  CHECK(to_host(backend, from) == exclusive);
}

TEMPLATE_LIST_TEST_CASE("sort_by_key keeps the order of equal keys", "[cuda]", devices) {
  TestType backend;
  const auto keys = to_device(backend, std::vector<float>{2, -1, 2, 0, -1});
  const auto values = to_device(backend, std::vector<index_t>{0, 1, 2, 3, 4});
  tensor<float, 1, TestType> sorted_keys(backend, {5});
  tensor<index_t, 1, TestType> sorted_values(backend, {5});
  sort_by_key(backend, keys.view(), values.view(), sorted_keys.view(), sorted_values.view());
  CHECK(to_host(backend, sorted_keys) == std::vector<float>{-1, -1, 0, 2, 2});
  CHECK(to_host(backend, sorted_values) == std::vector<index_t>{1, 4, 3, 0, 2});
}

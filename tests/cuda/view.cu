// SPDX-License-Identifier: Apache-2.0
#include "cuda/support.cuh"

#include <fewstep/cuda/view.cuh>

#include <thrust/reduce.h>

#include <numeric>
#include <type_traits>
#include <vector>

using namespace fewstep;

TEST_CASE("an mdspan shows the same elements, row by row", "[cuda]") {
  std::vector<float> values(2 * 3 * 4);
  std::iota(values.begin(), values.end(), 0.0f);
  const tensor_view<float, 3> view(values.data(), {2, 3, 4});
  const auto span = as_mdspan(view);
  static_assert(decltype(span)::rank() == 3);
  static_assert(std::is_same_v<decltype(as_mdspan(tensor_view<const float, 3>(view)))::element_type, const float>);
  CHECK(span.data_handle() == values.data());
  CHECK(span.extent(0) == 2);
  CHECK(span.extent(2) == 4);
  CHECK(&span(1, 2, 3) == values.data() + 23);
  CHECK(&span(1, 0, 2) == values.data() + 14);
}

TEMPLATE_LIST_TEST_CASE("Thrust's iterators run over a whole array", "[cuda]", test::devices) {
  TestType backend;
  tensor<float, 2, TestType> array(backend, {3, 5});
  CHECK(thrust_end(array.view()) - thrust_begin(array.view()) == 15);
  CHECK(thrust::raw_pointer_cast(thrust_begin(array.view())) == array.data());
  if constexpr (test::on_gpu<TestType>) {
    backend.synchronize();
    CHECK(thrust::reduce(thrust_begin(array.view()), thrust_end(array.view())) == 0.0f);
  }
}

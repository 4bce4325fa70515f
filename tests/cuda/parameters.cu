// SPDX-License-Identifier: Apache-2.0
#include "cuda/support.cuh"

#include <fewstep/cuda/parameters.cuh>

using namespace fewstep;
using namespace fewstep::test;

TEMPLATE_LIST_TEST_CASE("parameters are prepared on a device as on the CPU", "[cuda]", devices) {
  parameter_layout layout;
  layout.add("a", slice_kind::linear, {3, 70}, 0, 1);
  layout.add("gain", slice_kind::plain, {5}, 1, 0);
  layout.add("b", slice_kind::convolution, {3, 3, 33, 7}, 0, 1);
  layout.add("c", slice_kind::linear, {64, 32}, 0, 1);
  for (int i = 0; i < 100; ++i) layout.add(message("small.", i), slice_kind::linear, {2, 1 + i % 3}, 0, 1);
  const auto values = normals<float>(layout.size(), 4);
  std::vector<float> expected(values.size(), 0.0f);
  for (const parameter_slice& slice : layout.slices())
    transpose_slice(slice, values.data() + slice.offset, expected.data() + slice.offset);
  in_every_order<TestType>([&](TestType& backend) {
    const auto parameters = to_device(backend, values);
    tensor<float, 1, TestType> transposed(backend, {layout.size()});
    prepare_parameters(backend, layout, {parameters.data(), transposed.data(), nullptr, false});
    CHECK(to_host(backend, transposed) == std::vector<float>(values.size(), 0.0f));
    prepare_parameters(backend, layout, {parameters.data(), transposed.data(), nullptr, true});
    const auto actual = to_host(backend, transposed);
    CHECK(same_bits(actual, expected));
    return actual;
  });
}

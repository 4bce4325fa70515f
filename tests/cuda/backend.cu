// SPDX-License-Identifier: Apache-2.0
#include "cuda/support.cuh"

#include <fewstep/backend/mirror.hpp>
#include <fewstep/core/element_kernels.hpp>

using namespace fewstep;
using namespace fewstep::test;

TEMPLATE_LIST_TEST_CASE("what cannot be recorded is run as it is, every time", "[cuda]", devices) {
  TestType backend;
  tensor<float, 1, TestType> sum(backend, {3});
  const auto total_of = [&](const auto& work) {
    repeated<TestType> again;
    backend.for_each(3, detail::fill<float>{sum.data(), 0.0f});
    for (int k = 1; k <= 4; ++k) again.run(backend, [&] { work(static_cast<float>(k)); });
    return to_host(backend, sum)[1];
  };
  mirrored<float, TestType> shared(backend, 3);
  tensor<float, 1, TestType> pageable(backend, {3});
  const auto add = [&](const float* from) { backend.for_each(3, detail::add_into<float>{from, sum.data()}); };

  // A copy from memory that the record could not follow.
  CHECK(total_of([&](float value) {
          const std::vector<float> local(3, value);
          backend.copy_to_device(local.data(), pageable.data(), 3);
          add(pageable.data());
        }) == 10);
  // Memory that would be the record's.
  CHECK(total_of([&](float) {
          tensor<float, 1, TestType> made(backend, {3});
          backend.for_each(3, detail::fill<float>{made.data(), 2.0f});
          add(made.data());
        }) == 8);
  // Pinned memory is followed.
  CHECK(total_of([&](float) {
          shared.upload(backend);
          add(shared.device());
        }) == 0);
  shared.host()[1] = 5;
  repeated<TestType> follows;
  backend.for_each(3, detail::fill<float>{sum.data(), 0.0f});
  for (int k = 0; k < 4; ++k) {
    shared.host()[1] = static_cast<float>(k);
    follows.run(backend, [&] {
      shared.upload(backend);
      add(shared.device());
    });
    backend.synchronize();
  }
  CHECK(to_host(backend, sum)[1] == 6);
}

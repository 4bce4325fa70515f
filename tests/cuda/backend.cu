// SPDX-License-Identifier: Apache-2.0
#include "cuda/support.cuh"

#include <fewstep/backend/mirror.hpp>
#include <fewstep/core/element_kernels.hpp>

using namespace fewstep;
using namespace fewstep::test;

TEMPLATE_LIST_TEST_CASE("a device copies from array to array", "[cuda]", devices) {
  TestType backend;
  const auto from = to_device(backend, std::vector<int>{1, 2, 3, 4});
  const auto to = to_device(backend, std::vector<int>{5, 6, 7, 8});
  backend.copy(from.data() + 1, const_cast<int*>(to.data()), 2);
  CHECK(to_host(backend, to) == std::vector<int>{2, 3, 7, 8});
}

TEST_CASE("the emulation refuses a copy in a wrong direction", "[cuda]") {
  emulated_backend backend;
  std::vector<float> host(4, 1.0f);
  tensor<float, 1, emulated_backend> a(backend, {4}), b(backend, {4});
  CHECK_THROWS_WITH(backend.copy_to_host(a.data(), b.data(), 4),
                    contains("from the device to the host, but the memory it is to is the device's"));
  CHECK_THROWS_WITH(backend.copy_to_host(host.data(), host.data(), 4),
                    contains("the memory it is from is not the device's"));
  CHECK_THROWS_WITH(backend.copy_to_device(a.data(), b.data(), 4),
                    contains("from the host to the device, but the memory it is from is the device's"));
  CHECK_THROWS_WITH(backend.copy_to_device(host.data(), host.data(), 4), contains("is to is not the device's"));
  CHECK_THROWS_WITH(backend.copy(host.data(), a.data(), 4), contains("device to device, but the memory it is from"));
  CHECK_THROWS_WITH(backend.copy(a.data(), host.data(), 4), contains("device to device, but the memory it is to"));
  CHECK_THROWS_WITH(backend.copy(a.data() + 1, b.data(), 1000000), contains("with room for"));
  backend.copy(host.data(), a.data(), 0);  // nothing is nowhere

  // Of what is let through, the emulation counts what the host gets.
  const auto before = backend.device().bytes_to_host();
  backend.copy_to_device(host.data(), a.data(), 4);
  backend.copy(a.data(), b.data(), 4);
  CHECK(backend.device().bytes_to_host() == before);
  CHECK(to_host(backend, b) == host);
  CHECK(backend.device().bytes_to_host() == before + 16);
}

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

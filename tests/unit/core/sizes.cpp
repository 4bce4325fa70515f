// SPDX-License-Identifier: Apache-2.0
#include "test.hpp"

#include <fewstep/backend/cpu/backend.hpp>
#include <fewstep/core/arena.hpp>
#include <fewstep/core/sizes.hpp>
#include <fewstep/core/tensor.hpp>

#include <cstdint>
#include <limits>
#include <stdexcept>

using fewstep::index_t;
using fewstep::saturated_size;

namespace {

constexpr index_t most_index = std::numeric_limits<index_t>::max();

}  // namespace

TEST_CASE("sums and products of sizes stop where they cannot be counted") {
  constexpr std::size_t most = saturated_size::most;
  STATIC_REQUIRE((saturated_size(3) * 4 + 5).value() == 17);
  STATIC_REQUIRE((saturated_size(1 << 30) * (1 << 30) * 8).value() == std::size_t{1} << 63);
  STATIC_REQUIRE((saturated_size(1 << 30) * (1 << 30) * 16).value() == most);
  STATIC_REQUIRE((saturated_size(most) * 2 * 0).value() == 0);
  STATIC_REQUIRE((saturated_size(most) + 1).value() == most);
  STATIC_REQUIRE((saturated_size(most - 1) + 1).value() == most);
  STATIC_REQUIRE((saturated_size(most - 3) + 2).value() == most - 1);
  STATIC_REQUIRE(saturated_size(-1).value() == most);
  STATIC_REQUIRE((saturated_size(std::numeric_limits<int>::min()) * 2).value() == most);
}

TEST_CASE("the length of an array is the product of its extents, or there is no such array") {
  CHECK(fewstep::length_product(3, index_t{4}, std::size_t{5}) == 60);
  CHECK(fewstep::length_product(most_index) == most_index);
  CHECK(fewstep::length_product(0, most_index, most_index) == 0);
  CHECK(fewstep::length_of<2>({index_t{1} << 31, index_t{1} << 31}) == index_t{1} << 62);
  CHECK_THROWS_AS(fewstep::length_product(most_index, 2), std::length_error);
  CHECK_THROWS_WITH(fewstep::length_product(1 << 30, 1 << 30, 8),
                    contains("an array of 1073741824 x 1073741824 x 8 elements cannot be made"));
  CHECK_THROWS_AS(fewstep::length_product(-1, 3), std::length_error);
  fewstep::cpu_backend backend({.threads = 1});
  CHECK_THROWS_AS((fewstep::cpu_tensor<float, 2>(backend, {index_t{1} << 32, index_t{1} << 32})), std::length_error);
  CHECK_THROWS_AS((fewstep::cpu_tensor<float, 2>(backend, {-1, -1})), std::length_error);
}

TEST_CASE("a number of parts is rounded up, up to the largest numbers") {
  CHECK(fewstep::parts_of(0, 4) == 0);
  CHECK(fewstep::parts_of(1, 4) == 1);
  CHECK(fewstep::parts_of(8, 4) == 2);
  CHECK(fewstep::parts_of(most_index, 2) == index_t{1} << 62);
}

TEST_CASE("an arena that measures does not forget what it cannot count") {
  fewstep::arena memory;
  (void)memory.allocate<float>(1);
  CHECK(memory.peak() == 64);
  (void)memory.allocate<double>(most_index);
  (void)memory.allocate<double>(most_index);
  CHECK(memory.peak() > std::size_t{1} << 63);
  CHECK_THROWS_AS((memory.allocate<float, 2>({index_t{1} << 40, index_t{1} << 40})), std::length_error);
}

// SPDX-License-Identifier: Apache-2.0
#include "test.hpp"

#include <fewstep/core/philox.hpp>

#include <cstdint>

using fewstep::philox;
using fewstep::philox_block;

// Known answers of Random123 (kat_vectors, philox 4x32, 10 rounds), checked at compile time as well.
static_assert(philox({0, 0, 0, 0}, {0, 0}) == philox_block{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8});

TEST_CASE("philox gives the published known answers") {
  constexpr std::uint32_t ones = 0xffffffffu;
  CHECK((philox({0, 0, 0, 0}, {0, 0}) == philox_block{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}));
  CHECK(
      (philox({ones, ones, ones, ones}, {ones, ones}) == philox_block{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}));
  CHECK((philox({0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}, {0xa4093822, 0x299f31d0}) ==
         philox_block{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}));
}

TEST_CASE("philox: one flipped bit of counter or key flips about half of the output bits") {
  const philox_block base{1, 2, 3, 4};
  const fewstep::philox_key key{5, 6};
  const auto distance = [&](const philox_block& other) {
    const philox_block reference = philox(base, key);
    return __builtin_popcount(reference.x0 ^ other.x0) + __builtin_popcount(reference.x1 ^ other.x1) +
           __builtin_popcount(reference.x2 ^ other.x2) + __builtin_popcount(reference.x3 ^ other.x3);
  };
  // 128 fair bits: mean 64, deviation 5.7; 6 deviations either side is a false alarm below 1e-8 a trial.
  for (int bit = 0; bit < 32; ++bit) {
    const std::uint32_t flip = std::uint32_t{1} << bit;
    for (const int flipped :
         {distance(philox({base.x0 ^ flip, base.x1, base.x2, base.x3}, key)),
          distance(philox({base.x0, base.x1 ^ flip, base.x2, base.x3}, key)),
          distance(philox({base.x0, base.x1, base.x2 ^ flip, base.x3}, key)),
          distance(philox({base.x0, base.x1, base.x2, base.x3 ^ flip}, key)),
          distance(philox(base, {key.k0 ^ flip, key.k1})), distance(philox(base, {key.k0, key.k1 ^ flip}))}) {
      CAPTURE(bit, flipped);
      CHECK(flipped > 64 - 35);
      CHECK(flipped < 64 + 35);
    }
  }
}

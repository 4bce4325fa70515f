// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fewstep/core/config.hpp>

#include <cstdint>

namespace fewstep {

/// Four 32-bit words: a counter on the way in, random bits on the way out.
struct philox_block {
  std::uint32_t x0, x1, x2, x3;
  constexpr bool operator==(const philox_block&) const = default;
};

/// The 64-bit key that selects one of 2^64 independent bijections of the counter.
struct philox_key {
  std::uint32_t k0, k1;
  constexpr bool operator==(const philox_key&) const = default;
};

namespace detail {

inline constexpr int philox_rounds = 10;

/// Both halves of each product are written as products: packets have an instruction for either.
FEWSTEP_HD constexpr philox_block philox_round(const philox_block& x, const philox_key& key) {
  constexpr std::uint32_t m0 = 0xD2511F53u, m1 = 0xCD9E8D57u;
  const auto high0 = static_cast<std::uint32_t>((std::uint64_t{m0} * x.x0) >> 32);
  const auto high1 = static_cast<std::uint32_t>((std::uint64_t{m1} * x.x2) >> 32);
  return {high1 ^ x.x1 ^ key.k0, m1 * x.x2, high0 ^ x.x3 ^ key.k1, m0 * x.x0};
}

/// The Weyl sequences of the key: golden ratio and sqrt(3) - 1, as 32-bit fractions.
FEWSTEP_HD constexpr philox_key philox_next_key(const philox_key& key) {
  return {key.k0 + 0x9E3779B9u, key.k1 + 0xBB67AE85u};
}

}  // namespace detail

/// Philox 4x32-10, the counter-based generator of Salmon, Moraes, Dror and Shaw, "Parallel random numbers: as easy as
/// 1, 2, 3" (SC 2011), section 3. A pure function of (counter, key): there is no state to carry, to split or to save.
FEWSTEP_HD constexpr philox_block philox(philox_block counter, philox_key key) {
  for (int round = 0; round < detail::philox_rounds; ++round) {
    counter = detail::philox_round(counter, key);
    key = detail::philox_next_key(key);
  }
  return counter;
}

}  // namespace fewstep

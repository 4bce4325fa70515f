// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "everything.hpp"

/// Where a unit has a variable and a function that the library defines inline.
struct places {
  const void* variable;
  std::uint32_t (*function)(std::span<const std::byte>, std::uint32_t);

  friend bool operator==(const places&, const places&) = default;
};

places places_seen_by_second_unit();

/// Updates a generator that belongs to the first unit, and returns the rewards of the first and the last update.
std::pair<double, double> train(fewstep::cpu_backend& backend, fewstep::mlp_generator<fewstep::cpu_backend>& generator);

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <cstdlib>

namespace fewstep::test {

/// The seed of a test that draws: the one given, so that a test is the same every time, or FEWSTEP_SEED where that is
/// set, to try others. Only what runs beside the gate, such as many_kills, has a seed by chance.
[[nodiscard]] inline std::uint32_t test_seed(std::uint32_t otherwise) {
  const char* const text = std::getenv("FEWSTEP_SEED");
  return text != nullptr ? static_cast<std::uint32_t>(std::strtoul(text, nullptr, 10)) : otherwise;
}

}  // namespace fewstep::test

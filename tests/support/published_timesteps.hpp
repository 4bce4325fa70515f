// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "test.hpp"

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

namespace fewstep::test {

/// The digest that tests/python/reference_timesteps.py makes of lists of timesteps.
struct timestep_digest {
  std::uint64_t value = 0;

  std::uint64_t add(std::uint64_t part) { return value = value * 1099511628211u + part; }
  void add(const std::vector<float>& timesteps) {
    timestep_digest list;
    for (const float t : timesteps) list.add(static_cast<std::uint64_t>(t));
    add(list.value);
  }
};

/// A line of tests/data/timesteps.txt: for "trailing" the number of calls, how many timesteps diffusers gives for it
/// and the digest of as many as asked for; for "leading" and "lcm" the offset or the origin, the most calls and the
/// digest of the lists for 1 to that many calls.
struct timestep_list {
  int of, count;
  std::uint64_t digest;
};

inline std::vector<timestep_list> published_timesteps(const std::string& optimizer) {
  std::ifstream file(std::filesystem::path(__FILE__).parent_path() / "../data/timesteps.txt");
  std::vector<timestep_list> found;
  std::string name;
  for (timestep_list next{}; file >> name >> next.of >> next.count >> next.digest;)
    if (name == optimizer) found.push_back(next);
  REQUIRE_FALSE(found.empty());
  return found;
}

}  // namespace fewstep::test

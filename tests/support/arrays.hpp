// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <random>
#include <span>
#include <vector>

namespace fewstep::test {

/// Independent normals of a seed, mean `shift` and deviation `scale`; the same numbers for every T.
template <class T>
std::vector<T> normals(std::int64_t n, std::uint64_t seed, double scale = 1, double shift = 0) {
  std::mt19937_64 generator(seed);
  std::normal_distribution<float> law;
  std::vector<T> values(static_cast<std::size_t>(n));
  for (T& value : values)
    value = static_cast<T>(static_cast<float>(shift + scale * static_cast<double>(law(generator))));
  return values;
}

/// ||actual - expected|| / ||expected|| in the Euclidean norm; infinite where the lengths differ or a value is not
/// finite.
template <class A, class B>
double relative_error(const A& actual, const B& expected) {
  const auto n = static_cast<std::size_t>(std::size(expected));
  if (static_cast<std::size_t>(std::size(actual)) != n) return INFINITY;
  double difference = 0, norm = 0;
  for (std::size_t i = 0; i < n; ++i) {
    const auto e = static_cast<double>(expected[i]), a = static_cast<double>(actual[i]);
    if (!std::isfinite(a) || !std::isfinite(e)) return INFINITY;
    difference += (a - e) * (a - e);
    norm += e * e;
  }
  return difference == 0 ? 0 : std::sqrt(difference / norm);
}

/// The largest |actual - expected|; infinite where a value is not finite.
template <class A, class B>
double largest_difference(const A& actual, const B& expected) {
  double largest = std::size(actual) == std::size(expected) ? 0 : INFINITY;
  for (std::size_t i = 0; i < std::size(expected) && largest < INFINITY; ++i) {
    const double d = std::abs(static_cast<double>(actual[i]) - static_cast<double>(expected[i]));
    largest = std::isnan(d) ? INFINITY : std::max(largest, d);
  }
  return largest;
}

template <class T>
bool same_bits(const T* a, const T* b, std::int64_t n) {
  return std::memcmp(a, b, static_cast<std::size_t>(n) * sizeof(T)) == 0;
}
template <class T>
bool same_bits(const std::vector<T>& a, const std::vector<T>& b) {
  return a.size() == b.size() && same_bits(a.data(), b.data(), static_cast<std::int64_t>(a.size()));
}

}  // namespace fewstep::test

// SPDX-License-Identifier: Apache-2.0
#pragma once

/// Catch2 for the tests, version 2 or 3: TEST_CASE, SECTION, CHECK, REQUIRE, INFO, CAPTURE, GENERATE,
/// TEMPLATE_TEST_CASE, Approx, Catch::Matchers::WithinAbs and the like, and contains() below.

#if __has_include(<catch2/catch_test_macros.hpp>)
#include <catch2/catch_approx.hpp>
#include <catch2/catch_template_test_macros.hpp>
#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators_all.hpp>
#include <catch2/matchers/catch_matchers_all.hpp>
using Catch::Approx;
#else
#include <catch2/catch.hpp>
#endif

#include <string>

/// Matches a text that contains `part`: CHECK_THROWS_WITH(f(), contains("horizon is 1")).
/// (The two versions of Catch2 have different names for it.)
inline auto contains(const std::string& part) {
#if __has_include(<catch2/catch_test_macros.hpp>)
  return Catch::Matchers::ContainsSubstring(part);
#else
  return Catch::Matchers::Contains(part);
#endif
}

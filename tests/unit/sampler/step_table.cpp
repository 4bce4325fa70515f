// SPDX-License-Identifier: Apache-2.0
#include "test.hpp"

#include <fewstep/sampler/step_table.hpp>

#include <limits>
#include <utility>
#include <vector>

using fewstep::emitted;
using fewstep::step_table;

namespace {

step_table good_table() {
  return {{{1.0f, 0.5f, 0.9f, 0.1f, 0.3f, 1.0f, 1.0f, -1.0f}, {0.5f, 0.0f, 1.0f, -0.5f, 0.0f, 1.0f, 1.0f, -0.5f}},
          1,
          emitted::clean,
          1.0f};
}

}  // namespace

TEST_CASE("check accepts a table with trained rows in front and a deterministic end") {
  CHECK_NOTHROW(check(good_table()));
  CHECK(good_table().horizon() == 2);
}

TEST_CASE("train_rows leaves out the rows at either end that cannot be trained") {
  const auto table_of = [](const std::vector<std::pair<float, float>>& sigma_and_b, int most) {
    step_table table;
    for (const auto& [sigma, b] : sigma_and_b) table.rows.push_back({1, 0, 1, b, sigma, 1, 1, -1});
    train_rows(table, most);
    return std::pair{table.first_trained, table.trained};
  };
  using range = std::pair<int, int>;
  CHECK(table_of({{1, 1}, {1, 1}, {1, 1}}, 3) == range{0, 3});
  CHECK(table_of({{1, 1}, {1, 1}, {1, 1}}, 2) == range{0, 2});
  CHECK(table_of({{1, 1}, {1, 1}, {0, 1}}, 3) == range{0, 2});
  CHECK(table_of({{1, 1}, {1, 1}, {1, 0}}, 3) == range{0, 2});
  CHECK(table_of({{0, 1}, {1, 1}, {0, 1}}, 3) == range{1, 1});
  CHECK(table_of({{1, 1}, {0, 1}, {1, 1}}, 3) == range{0, 3});  // check() refuses it
  CHECK(table_of({{0, 1}, {0, 1}}, 2) == range{0, 0});
}

TEST_CASE("check names what is wrong with a table") {
  step_table table = good_table();
  SECTION("no rows") {
    table.rows.clear();
    CHECK_THROWS_WITH(check(table), contains("there are no rows"));
  }
  SECTION("more trained rows than rows") {
    table.trained = 3;
    CHECK_THROWS_WITH(check(table), contains("trained is 3 from row 0 on, but there are 2 rows"));
  }
  SECTION("trained rows beyond the last") {
    table.first_trained = 2;
    CHECK_THROWS_WITH(check(table), contains("trained is 1 from row 2 on, but there are 2 rows"));
  }
  SECTION("a negative number of trained rows") {
    table.trained = -1;
    CHECK_THROWS_WITH(check(table), contains("trained is -1"));
  }
  SECTION("a trained row without noise") {
    table.trained = 2;
    CHECK_THROWS_WITH(check(table), contains("row 1 (time 0.5 to 0) is trained but its sigma is 0"));
  }
  SECTION("a trained row that the network cannot move") {
    table.rows[0].b = 0;
    CHECK_THROWS_WITH(check(table), contains("row 0 (time 1) is trained but b is 0"));
  }
  SECTION("a negative sigma") {
    table.rows[1].sigma = -0.25f;
    CHECK_THROWS_WITH(check(table), contains("row 1 has the negative sigma -0.25"));
  }
  SECTION("a number that is not finite") {
    table.rows[1].skip = std::numeric_limits<float>::quiet_NaN();
    CHECK_THROWS_WITH(check(table), contains("row 1 (time 0.5 to 0) is not finite"));
  }
  SECTION("a start without noise") {
    table.initial_sigma = 0;
    CHECK_THROWS_WITH(check(table), contains("initial_sigma is 0"));
  }
}

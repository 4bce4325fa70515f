// SPDX-License-Identifier: Apache-2.0
#include <fewstep/core/error.hpp>

#include "test.hpp"

#include <stdexcept>
#include <string>

namespace {

void refuse_horizon(int horizon) {
  fewstep::expects(horizon >= 2, [=] { return fewstep::message("horizon is ", horizon, "; use horizon >= 2"); });
}

}  // namespace

TEST_CASE("message joins parts of several types") {
  CHECK(fewstep::message("horizon is ", 1, "; use ", std::string("horizon"), " >= ", 2.5) ==
        "horizon is 1; use horizon >= 2.5");
}

TEST_CASE("expects is silent when the condition holds") {
  CHECK_NOTHROW(fewstep::expects(true, "never said"));
  CHECK_NOTHROW(refuse_horizon(2));
}

TEST_CASE("expects throws the sentence and the place of the check") {
  CHECK_THROWS_AS(fewstep::expects(false, "rank is 3"), std::invalid_argument);
  CHECK_THROWS_WITH(fewstep::expects(false, "rank is 3"), contains("rank is 3 ["));
  CHECK_THROWS_WITH(refuse_horizon(1), contains("horizon is 1; use horizon >= 2 [error.cpp:12]"));
}

TEST_CASE("a described failure is put into words only when it happens") {
  int described = 0;
  const auto describe = [&] {
    ++described;
    return std::string("too late");
  };
  fewstep::expects(true, describe);
  CHECK(described == 0);
  CHECK_THROWS_WITH(fewstep::expects(false, describe), contains("too late"));
  CHECK(described == 1);
}

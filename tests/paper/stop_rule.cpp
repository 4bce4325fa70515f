// SPDX-License-Identifier: Apache-2.0
#include "paper/stop_rule.hpp"

#include "test.hpp"

using fewstep::stop_rule;
using kind = fewstep::stop_rule::kind;

TEST_CASE("stop rules are read from a command line") {
  const auto is = [](const std::string& text, const std::string& figure, kind when, double bound, int patience) {
    const stop_rule rule = paper::parse_stop_rule(text);
    INFO(text);
    CHECK(rule.figure == figure);
    CHECK(rule.when == when);
    CHECK(rule.bound == bound);
    CHECK(rule.patience == patience);
  };
  is("retrieval<0.15", "retrieval", kind::falls_below, 0.15, 1);
  is(" kl > 2e1 ", "kl", kind::rises_above, 20, 1);
  is("reward>-30.5:2", "reward", kind::rises_above, -30.5, 2);
  is("reward<best+2:3", "reward", kind::stops_rising, 2, 3);
}

TEST_CASE("a stop rule that is none is refused with what could be meant") {
  for (const char* text : {"", "retrieval", "retrieval<", "<0.15", "retrieval=0.1", "reward>best+1", "retrieval<0.1:",
                           "retrieval<0.1:x", "retrieval<1.5 apples", "retrieval<.", "retrieval<1.2.3"}) {
    INFO(text);
    CHECK_THROWS_AS(paper::parse_stop_rule(text), std::invalid_argument);
  }
  CHECK_THROWS_AS(paper::parse_stop_rule(std::string(1'000'000, 'a') + "<1"), std::invalid_argument);
}

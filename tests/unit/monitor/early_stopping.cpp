// SPDX-License-Identifier: Apache-2.0
#include "test.hpp"

#include <fewstep/io/checkpoint.hpp>
#include <fewstep/monitor/early_stopping.hpp>

#include "support/temporary_directory.hpp"

#include <limits>
#include <string>
#include <vector>

using fewstep::early_stopping;
using fewstep::named_figure;
using fewstep::stop_rule;
using kind = stop_rule::kind;

namespace {

/// Number of looks until a run with these values of "reward" stops; -1 if it does not.
int looks(early_stopping stop, const std::vector<double>& values) {
  for (std::size_t i = 0; i < values.size(); ++i) {
    const std::vector<named_figure> figures{{"kl", 0}, {"reward", values[i]}};
    if (stop.look(static_cast<std::int64_t>(i), figures)) return static_cast<int>(i) + 1;
  }
  return -1;
}

}  // namespace

TEST_CASE("a run stops when a figure has been out of bounds for as many looks as asked for") {
  CHECK(looks(early_stopping({{"reward", kind::falls_below, 0.5, 1}}), {1, 0.6, 0.5, 0.4}) == 4);
  CHECK(looks(early_stopping({{"reward", kind::falls_below, 0.5, 2}}), {0.4, 0.6, 0.4, 0.6, 0.4, 0.4}) == 6);
  CHECK(looks(early_stopping({{"reward", kind::rises_above, 0.5, 1}}), {0.1, 0.5, 0.6}) == 3);
  CHECK(looks(early_stopping({{"reward", kind::rises_above, 0.5, 1}}), {0.1, 0.5}) == -1);
  CHECK(looks(early_stopping({{"kl", kind::rises_above, 0.5, 1}, {"reward", kind::falls_below, 0, 1}}), {1, -1}) == 2);
}

TEST_CASE("a run stops when a figure has not been better than its best for as many looks as asked for") {
  CHECK(looks(early_stopping({{"reward", kind::stops_rising, 0, 2}}), {1, 2, 2, 3, 3, 2.5}) == 6);
  CHECK(looks(early_stopping({{"reward", kind::stops_rising, 0.1, 2}}), {1, 1.05, 1.3, 1.35, 1.2}) == 5);
  CHECK(looks(early_stopping({{"reward", kind::stops_rising, 0, 3}}), {-5, -4, -3, -2}) == -1);
}

TEST_CASE("the reason to stop is a sentence, and a figure that is not a number is one") {
  early_stopping stop({{"reward", kind::falls_below, 0.5, 2}});
  CHECK_FALSE(stop.look(7, std::vector<named_figure>{{"reward", 0.25}}));
  CHECK(stop.look(8, std::vector<named_figure>{{"reward", 0.25}}) ==
        std::string("reward is 0.25, below 0.5 for 2 looks in a row, at update 8"));
  CHECK(stop.look(9, std::vector<named_figure>{{"reward", std::numeric_limits<double>::quiet_NaN()}}) ==
        std::string("reward is nan at update 9"));
}

TEST_CASE("rules that cannot be followed are refused") {
  CHECK_THROWS_WITH(early_stopping({{"", kind::falls_below, 0, 1}}), contains("name a figure"));
  CHECK_THROWS_WITH(early_stopping({{"kl", kind::falls_below, 0, 0}}), contains("the rule for 'kl'"));
  early_stopping stop({{"retrieval", kind::falls_below, 0, 1}});
  CHECK_THROWS_WITH(stop.look(0, std::vector<named_figure>{{"kl", 0}, {"reward", 1}}),
                    contains("there is no figure 'retrieval'; there are kl, reward"));
}

TEST_CASE("a resumed run stops where the whole one does") {
  const temporary_directory folder;
  const std::vector<stop_rule> rules{{"reward", kind::stops_rising, 0, 3}};
  early_stopping first(rules), second(rules);
  for (const double value : {1.0, 0.5, 0.5}) (void)first.look(0, std::vector<named_figure>{{"reward", value}});
  fewstep::save_checkpoint(folder / "state", first);
  fewstep::load_checkpoint(folder / "state", second);
  CHECK(second.look(3, std::vector<named_figure>{{"reward", 0.9}}));
}

TEST_CASE("every rule on a figure keeps what it has seen over a resume") {
  const temporary_directory folder;
  const std::vector<stop_rule> rules{{"reward", kind::stops_rising, 0, 3},
                                     {"reward", kind::falls_below, 0.5, 2},
                                     {"reward_rule_2", kind::rises_above, 1, 2},
                                     {"reward", kind::rises_above, 5, 2}};
  const auto figures = [](double reward, double other) {
    return std::vector<named_figure>{{"reward", reward}, {"reward_rule_2", other}};
  };
  // Each rule in turn is the one that is a look away from its end.
  const std::vector<std::vector<double>> seen{{4, 3, 3}, {0.6, 0.4}, {0.6, 0.7}, {0.6, 6}};
  const std::vector<std::string> reasons{"stopped rising", "below 0.5 for 2", "above 1 for 2", "above 5 for 2"};
  for (std::size_t rule = 0; rule < rules.size(); ++rule) {
    early_stopping first(rules), second(rules);
    const double other = rule == 2 ? 2 : 0;
    for (std::size_t i = 0; i < seen[rule].size(); ++i)
      CHECK_FALSE(first.look(0, figures(seen[rule][i], i + 1 == seen[rule].size() ? other : 0)));
    fewstep::save_checkpoint(folder / "state", first);
    fewstep::load_checkpoint(folder / "state", second);
    const double last = rule == 1 ? 0.3 : rule == 3 ? 7 : rule == 0 ? 2 : 0.8;
    CHECK_FALSE(early_stopping(rules).look(3, figures(last, other)));
    const auto reason = second.look(3, figures(last, other));
    REQUIRE(reason);
    CHECK_THAT(*reason, contains(reasons[rule]));
  }
}

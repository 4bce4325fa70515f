// SPDX-License-Identifier: Apache-2.0
#include "pair_file.hpp"
#include "settings.hpp"

#include <fewstep/core/error.hpp>

#include <nlohmann/json.hpp>

#include <cmath>
#include <cstdio>
#include <fstream>
#include <set>
#include <stdexcept>
#include <string>

namespace reward_models {
namespace {

struct answer {
  std::size_t pair = 0;
  std::string choice;  ///< first, second or neither
};

/// Refuses whatever the page has not written, and answers about other pairs.
std::vector<answer> load_answers(const answers_settings& s, const pair_file& pairs) {
  const auto fail = [&](const auto&... what) {
    throw std::runtime_error(fewstep::message(s.answers.string(), ": ", what...));
  };
  std::ifstream file(s.answers);
  if (!file) fail("cannot be opened");
  std::vector<answer> answers;
  try {
    const auto all = nlohmann::json::parse(file);
    if (all.at("format") != "reward_models.answers")
      fail("has the format ", all.at("format").dump(), ", not reward_models.answers");
    const auto checksum = all.at("pairs").get<std::string>();
    if (checksum != pairs.checksum())
      fail("is about other pairs (checksum ", checksum, ") than ", s.pairs.string(), " has (", pairs.checksum(),
           "); give the file that the page was made of by --pairs");
    std::set<std::size_t> seen;
    for (const auto& each : all.at("answers")) {
      const auto& number = each.at("pair");
      if (!number.is_number_unsigned() || number.get<std::uint64_t>() >= pairs.size())
        fail("answers pair ", number.dump(), ", but pairs are 0 to ", pairs.size() - 1);
      answer one{number.get<std::size_t>(), each.at("choice").get<std::string>()};
      if (one.choice != "first" && one.choice != "second" && one.choice != "neither")
        fail("has the choice '", one.choice, "' for pair ", one.pair, "; choices are first, second and neither");
      if (!seen.insert(one.pair).second) fail("answers pair ", one.pair, " twice");
      answers.push_back(std::move(one));
    }
  } catch (const nlohmann::json::exception& e) {
    fail("is no file of answers, or damaged: ", e.what());
  }
  if (answers.empty()) fail("has no answers");
  return answers;
}

/// Interval of 95 % of a share (Wilson 1927), of which `right` of `all` were seen.
std::pair<double, double> wilson(double right, double all) {
  constexpr double z = 1.959963984540054;
  const double share = right / all, rest = z * z / all;
  const double middle = share + rest / 2, half = z * std::sqrt(share * (1 - share) / all + rest / (4 * all));
  return {(middle - half) / (1 + rest), (middle + half) / (1 + rest)};
}

}  // namespace

int read_answers(const answers_settings& s) {
  auto pairs = pair_file::load(s.pairs);
  const auto answers = load_answers(s, pairs);
  double choices = 0, agreeing = 0;
  for (const answer& each : answers) {
    if (each.choice == "neither") continue;
    const std::uint8_t first = each.choice == "first" ? 1 : 0;
    pairs.first_wins[each.pair] = first;
    pairs.answered[each.pair] = 1;
    choices += 1;
    agreeing += first == pairs.rule_says_first[each.pair] ? 1 : 0;
  }
  pairs.save(s.output);
  std::printf("%zu answers, %.0f of them without a choice\n", answers.size(),
              static_cast<double>(answers.size()) - choices);
  if (choices > 0) {
    const auto [low, high] = wilson(agreeing, choices);
    std::printf("%.1f %% of the choices are as the rule has them (95 %% interval %.1f to %.1f %%)\n",
                100 * agreeing / choices, 100 * low, 100 * high);
  }
  std::printf("written to %s\n", s.output.c_str());
  return 0;
}

}  // namespace reward_models

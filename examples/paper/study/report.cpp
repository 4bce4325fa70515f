// SPDX-License-Identifier: Apache-2.0
#include "finished_run.hpp"
#include "page.hpp"
#include "report_text.hpp"
#include "study_settings.hpp"

#include <fewstep/io/atomic_file.hpp>

#include <algorithm>
#include <cstdio>
#include <string>
#include <vector>

namespace paper {

namespace fs = std::filesystem;

namespace {

/// The studies by their reward, in the order of the first of each.
std::vector<std::vector<fs::path>> by_reward(const std::vector<fs::path>& studies) {
  std::vector<std::string> rewards;
  std::vector<std::vector<fs::path>> groups;
  for (const auto& study : studies) {
    const fs::path file = study / "plan.json";
    std::string reward;
    if (fs::exists(file)) reward = read_json(file).value("/plan/reward"_json_pointer, std::string());
    const auto at = std::find(rewards.begin(), rewards.end(), reward) - rewards.begin();
    if (static_cast<std::size_t>(at) == rewards.size()) {
      rewards.push_back(reward);
      groups.emplace_back();
    }
    groups[static_cast<std::size_t>(at)].push_back(study);
  }
  return groups;
}

}  // namespace

int report(const report_settings& s) {
  const auto groups = by_reward(s.studies);
  if (groups.size() < 2) {
    (void)write_page(s);
  } else {
    // A page for each reward in a folder of the page's name, which says what they have in common.
    std::string text = "# RLCM beside DDPO\n\nMade by\n\n```\npaper report";
    for (const auto& study : s.studies) text.append(" ").append(quoted(study.generic_string()));
    text += fewstep::message("\n```\n\nfrom runs on ", groups.size(),
                             " rewards, and not edited. Intervals and columns are explained on the page of each.\n\n");
    for (const auto& studies : groups) {
      const auto reward = read_json(studies.front() / "plan.json").at("plan").at("reward").get<std::string>();
      const fs::path folder = fs::path(s.results).replace_extension();
      text += write_page({.studies = studies, .results = folder / (reward + ".md"), .search = s.search});
    }
    fewstep::write_atomically(s.results, text);
  }
  std::printf("written: %s\n", s.results.c_str());
  return 0;
}

}  // namespace paper

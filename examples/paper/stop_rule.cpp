// SPDX-License-Identifier: Apache-2.0
#include "stop_rule.hpp"

#include <fewstep/core/error.hpp>

#include <regex>

namespace paper {

fewstep::stop_rule parse_stop_rule(const std::string& text) {
  using kind = fewstep::stop_rule::kind;
  static const std::regex form(R"(\s*(\w+)\s*(?:([<>])|<\s*(best)\s*\+))"         // figure, <, > or <best+
                               R"(\s*(-?(?:\d+\.?\d*|\.\d+)(?:e-?\d{1,2})?)\s*)"  // bound
                               R"((?::\s*(\d{1,6})\s*)?)");                       // patience
  std::smatch part;
  constexpr std::size_t longest = 200;  // std::regex goes a level deeper with every character
  fewstep::expects(text.size() <= longest && std::regex_match(text, part, form), [&] {
    return fewstep::message("--stop is '", text.substr(0, longest),
                            "'; give a rule like \"retrieval<0.15\", \"kl>20\" or \"reward<best+2:3\" (three "
                            "evaluations in a row)");
  });
  fewstep::stop_rule rule{.figure = part[1], .bound = std::stod(part[4])};
  if (part[3].matched)
    rule.when = kind::stops_rising;
  else
    rule.when = part[2] == "<" ? kind::falls_below : kind::rises_above;
  if (part[5].matched) rule.patience = std::stoi(part[5]);
  return rule;
}

}  // namespace paper

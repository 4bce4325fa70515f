// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fewstep/monitor/early_stopping.hpp>

#include <string>

namespace paper {

/// A rule as it is given on a command line: a held-out figure, < or >, and a bound, for instance "retrieval<0.15" or
/// "kl>20"; "reward<best+2" is a figure that is no more than 2 above its best so far. ":3" at the end asks for three
/// evaluations in a row. Throws std::invalid_argument if the text is none of these.
[[nodiscard]] fewstep::stop_rule parse_stop_rule(const std::string& text);

}  // namespace paper

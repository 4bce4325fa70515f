// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

namespace paper {

/// Runs this very program with these arguments and waits for it; its exit status, or 128 + the signal that ended it.
/// Signals that interrupt this program are passed on to it. On Linux a child whose parent is killed is interrupted too.
/// Throws std::system_error if it cannot be started.
[[nodiscard]] int run_this_program(const std::vector<std::string>& arguments);

}  // namespace paper

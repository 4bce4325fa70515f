// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "study_settings.hpp"

#include <string>

namespace paper {

/// Writes the page of studies with one reward and, to the folder of its name, what it shows. Returns its part of a page
/// about several rewards: RLCM beside DDPO, with a link to it.
[[nodiscard]] std::string write_page(const report_settings& settings);

}  // namespace paper

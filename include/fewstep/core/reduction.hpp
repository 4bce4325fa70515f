// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

namespace fewstep {

/// How the log-density of a transition is taken over the D values of a sample. DDPO and RLCM take the mean in all their
/// published versions, which makes their ratio the D-th root of the density ratio.
enum class reduction : std::uint8_t { mean, sum };

}  // namespace fewstep

// SPDX-License-Identifier: Apache-2.0
#pragma once

namespace text_to_emoji {

/// Exit status of a run that was ended by Ctrl-C, as shells have it.
inline constexpr int interrupted_status = 130;

/// From now on the first Ctrl-C is noted, to be asked for by interrupted(), and the second one kills. A file that grows
/// beyond the limit of the process becomes an error of the write instead of a kill.
void watch_for_interrupts();

[[nodiscard]] bool interrupted();

}  // namespace text_to_emoji

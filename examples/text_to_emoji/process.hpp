// SPDX-License-Identifier: Apache-2.0
#pragma once

namespace text_to_emoji {

/// To be called first in main(). Standard streams that are closed become /dev/null, so that no file that is opened
/// later gets their number and what is printed for them. A file that grows beyond the limit of the process becomes an
/// error of the write instead of a kill.
void prepare_process();

/// To be called last: the exit status of `program`, which is no success if what it printed could not be written.
[[nodiscard]] int finish_process(const char* program, int status);

}  // namespace text_to_emoji

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <sys/types.h>

namespace text_to_emoji {

/// From now on the first SIGINT (Ctrl-C), SIGTERM (kill, batch systems) or SIGHUP (a terminal that closes) is noted, to
/// be asked for by interrupted(), and another one a second or more later ends the program at once; what comes within
/// the second counts as the same, since some send to a process and to its group. Signals that are ignored at the start
/// (by nohup, or by a shell for what runs in its background) stay ignored. A reader of the output that goes away ends
/// nothing.
void watch_for_interrupts();

[[nodiscard]] bool interrupted();

/// Exit status of a run that was ended by the signal that came, as shells have it: 128 + its number. Where none came,
/// the run of another program was ended with `otherwise`.
[[nodiscard]] int interrupted_status(int otherwise = 128);
/// Whether a program that watches as this one does ended with such a status.
[[nodiscard]] bool is_interrupted_status(int status);

/// Sends what comes to this process too, from now on and if it came already; 0: to none.
void pass_interrupts_on(::pid_t process);

}  // namespace text_to_emoji

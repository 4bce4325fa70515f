// SPDX-License-Identifier: Apache-2.0
#include <fewstep/log/progress_bar.hpp>

#include "support/temporary_directory.hpp"
#include "test.hpp"

#include <fcntl.h>
#include <sys/ioctl.h>

#include <optional>
#include <utility>
#include <vector>

namespace {

/// Columns that a UTF-8 text takes (every character here takes one).
std::size_t columns(const std::string& text) {
  std::size_t count = 0;
  for (const char c : text) count += (static_cast<unsigned char>(c) & 0xc0u) != 0x80u ? 1 : 0;
  return count;
}

/// Variables of the environment as long as this lives.
class environment {
 public:
  using list = std::vector<std::pair<std::string, std::string>>;
  explicit environment(const list& variables) {
    for (const auto& [name, value] : variables) {
      const char* const old = std::getenv(name.c_str());
      old_.emplace_back(name, old != nullptr ? std::optional<std::string>(old) : std::nullopt);
      ::setenv(name.c_str(), value.c_str(), 1);
    }
  }
  environment(const environment&) = delete;
  environment& operator=(const environment&) = delete;
  ~environment() {
    for (const auto& [name, value] : old_)
      if (value)
        ::setenv(name.c_str(), value->c_str(), 1);
      else
        ::unsetenv(name.c_str());
  }

 private:
  std::vector<std::pair<std::string, std::optional<std::string>>> old_;
};

/// What three updates of a bar put on a terminal of 50 columns; empty where there can be none.
std::string shown_on_a_terminal() {
  const int terminal = ::posix_openpt(O_RDWR | O_NOCTTY);
  if (terminal < 0 || ::grantpt(terminal) != 0 || ::unlockpt(terminal) != 0) return {};
  const int screen = ::open(::ptsname(terminal), O_RDWR | O_NOCTTY);
  REQUIRE(screen >= 0);
  const ::winsize size{24, 50, 0, 0};
  REQUIRE(::ioctl(screen, TIOCSWINSZ, &size) == 0);
  {
    fewstep::progress_bar bar(3, "run", screen);
    bar.update(1);
    bar.clear();
    bar.update(2, {{"ratio", 1}});
    bar.update(3, {{"ratio", 2}});
  }
  std::string text;
  // A terminal hands over what it has got so far.
  while (text.find("ratio 2") == std::string::npos || text.back() != '\n') {
    char buffer[4096];
    const auto count = ::read(terminal, buffer, sizeof(buffer));
    REQUIRE(count > 0);
    text.append(buffer, static_cast<std::size_t>(count));
  }
  ::close(screen);
  ::close(terminal);
  return text;
}

std::string take_all(int fd) {
  std::string text;
  char buffer[4096];
  for (ssize_t count = 0; (count = ::read(fd, buffer, sizeof(buffer))) > 0;)
    text.append(buffer, static_cast<std::size_t>(count));
  return text;
}

}  // namespace

TEST_CASE("progress: durations and numbers are short", "[io]") {
  using fewstep::detail::duration_text;
  CHECK(duration_text(0.4) == "0s");
  CHECK(duration_text(59.6) == "1:00");
  CHECK(duration_text(125) == "2:05");
  CHECK(duration_text(3723) == "1:02:03");
  CHECK(duration_text(1e300) == duration_text(1e9));
  CHECK(fewstep::detail::short_number(1.00021) == "1");
  CHECK(fewstep::detail::short_number(0.123456) == "0.1235");
  CHECK(fewstep::detail::short_number(-1.5e-7) == "-1.5e-07");
  CHECK(fewstep::detail::short_number(std::copysign(std::nan(""), -1.0)) == "nan");
}

TEST_CASE("progress: a line fits every width and shows what fits", "[io]") {
  const std::vector<fewstep::progress_field> fields{{"ratio", 1.002}, {"clip", 0.125}, {"norm", 3.5}};
  const fewstep::detail::progress_state state{"training", 21, 50, 12, 17.0, fields};
  for (int width = 2; width < 200; ++width)
    for (const bool unicode : {false, true}) {
      const auto line = fewstep::detail::progress_bar_line(state, width, unicode);
      CAPTURE(width, line);
      REQUIRE(columns(line) < static_cast<std::size_t>(width));
    }
  CHECK(fewstep::detail::progress_bar_line(state, 100, false) ==
        "training  42% [############..................] 21/50 12s<17s  ratio 1.002  clip 0.125  norm 3.5");
  CHECK(fewstep::detail::progress_bar_line(state, 60, false) ==
        "training  42% [######..........] 21/50 12s<17s  ratio 1.002");
  CHECK(fewstep::detail::progress_log_line(state) ==
        "training  42%  21/50 12s<17s  ratio 1.002  clip 0.125  norm 3.5\n");
  const fewstep::detail::progress_state full{"", 50, 50, 12, 0.0, {}};
  CHECK(fewstep::detail::progress_bar_line(full, 30, false) == "100% [############] 50/50 12s");
  const fewstep::detail::progress_state empty{"", 0, 0, 0, {}, {}};
  CHECK(fewstep::detail::progress_bar_line(empty, 30, true).find("100%") == 0);
}

TEST_CASE("progress_bar: a log gets a line every ten per cent, without control characters", "[io]") {
  int ends[2] = {-1, -1};
  REQUIRE(::pipe(ends) == 0);
  {
    fewstep::progress_bar bar(1000, "run", ends[1]);
    for (int i = 1; i <= 1000; ++i) bar.update(i, {{"ratio", 0.5}});
  }
  ::close(ends[1]);
  const auto text = take_all(ends[0]);
  ::close(ends[0]);
  CHECK(std::count(text.begin(), text.end(), '\n') == 11);  // the first update and every tenth
  CHECK_THAT(text, contains("run  50%  500/1000 ") && contains("run 100%  1000/1000 0s  ratio 0.5\n"));
  CHECK(text.find('\r') == std::string::npos);
  CHECK(text.find('\x1b') == std::string::npos);
}

TEST_CASE("progress_bar: a terminal gets one line redrawn and left whole", "[io]") {
  const environment variables({{"TERM", "xterm"}, {"NO_COLOR", ""}});
  const std::string text = shown_on_a_terminal();
  if (text.empty()) return;
  CHECK(std::count(text.begin(), text.end(), '\n') == 1);
  CHECK(text.back() == '\n');
  CHECK_THAT(text, contains("\r\x1b[K") && contains(" 66%") && contains("run 100% ") && contains("ratio 2"));
}

TEST_CASE("progress_bar: no control sequences where the terminal or its user takes none", "[io]") {
  const environment variables(GENERATE(values<environment::list>({{{"TERM", "dumb"}, {"NO_COLOR", ""}},
                                                                  {{"TERM", ""}, {"NO_COLOR", ""}},
                                                                  {{"TERM", "xterm"}, {"NO_COLOR", "1"}}})));
  const std::string text = shown_on_a_terminal();
  if (text.empty()) return;
  CHECK(text.find('\x1b') == std::string::npos);
  // The terminal itself makes \r\n of \n.
  CHECK(std::count(text.begin(), text.end(), '\r') == std::count(text.begin(), text.end(), '\n'));
  CHECK_THAT(text, contains("run  33%  1/3 ") && contains("run 100%  3/3 0s  ratio 2\r\n"));
}

TEST_CASE("progress_bar: a stream that cannot be written does not disturb", "[io]") {
  fewstep::progress_bar bar(2, "run", -1);
  CHECK_NOTHROW(bar.update(1));
  CHECK_NOTHROW(bar.update(2));
}

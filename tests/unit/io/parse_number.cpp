// SPDX-License-Identifier: Apache-2.0
#include <fewstep/io/parse_number.hpp>

#include <bit>
#include <charconv>
#include <clocale>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <limits>
#include <random>
#include <string>

#include "support/temporary_directory.hpp"
#include "test.hpp"

using fewstep::parse_number;

namespace {

/// While it lives, the program's numbers are written as in much of Europe: 1.000,5. The locale is made here, as few
/// machines have one.
class comma_locale {
 public:
  comma_locale() {
    std::string characters = "<code_set_name> ASCII\n<comment_char> %\n<escape_char> /\nCHARMAP\n";
    for (int code = 0; code < 128; ++code) {
      char line[32];
      std::snprintf(line, sizeof line, "<U%04X> /x%02x\n", static_cast<unsigned>(code), static_cast<unsigned>(code));
      characters += line;
    }
    put_text(folder_ / "ascii", characters + "END CHARMAP\n");
    put_text(folder_ / "source", "LC_NUMERIC\ndecimal_point \",\"\nthousands_sep \".\"\ngrouping 3\nEND LC_NUMERIC\n");
    const auto make = "cd '" + folder_.path().string() + "' && localedef -c -i source -f ./ascii ./comma 2> log";
    (void)!std::system(make.c_str());  // its status is 1 for the categories that are not there
    ::setenv("LOCPATH", folder_.path().c_str(), 1);
    const bool set = std::setlocale(LC_NUMERIC, "comma") != nullptr;
    ::unsetenv("LOCPATH");
    INFO(text_of(folder_ / "log"));
    REQUIRE(set);
  }
  comma_locale(const comma_locale&) = delete;
  comma_locale& operator=(const comma_locale&) = delete;
  ~comma_locale() { std::setlocale(LC_NUMERIC, "C"); }

 private:
  temporary_directory folder_;
};

}  // namespace

TEST_CASE("numbers are read in the notation of from_chars") {
  CHECK(parse_number("0") == 0.0);
  CHECK(parse_number("007") == 7.0);
  CHECK(parse_number("-1.5e-2") == -0.015);
  CHECK(parse_number(".5E+3") == 500.0);
  CHECK(parse_number("4.") == 4.0);
  CHECK(std::signbit(parse_number("-0").value()));
  CHECK(parse_number(std::string(400, '1')) == std::numeric_limits<double>::infinity());
  CHECK(parse_number("1e400") == std::numeric_limits<double>::infinity());
  CHECK(parse_number("-1e-400") == 0.0);
  CHECK(parse_number("4.9406564584124654e-324") == std::numeric_limits<double>::denorm_min());
  CHECK(parse_number("-inf") == -std::numeric_limits<double>::infinity());
  CHECK(parse_number("Infinity") == std::numeric_limits<double>::infinity());
  CHECK(std::isnan(parse_number("nan").value()));
  CHECK(std::isnan(parse_number("-NaN").value()));
}

TEST_CASE("what is more than a number or none is none") {
  for (const std::string text :
       {"",      "-",  "--1", "+1",  " 1", "1 ", "\t1", "1\n",      "0x10", "-0X1p3", "1,5", "1.000,5",
        "1.5.2", "e5", "1e",  "1e+", ".",  "-.", "one", "infinite", "n",    "1f",     "١"})
    CHECK(parse_number(text) == std::nullopt);
  CHECK(parse_number(std::string_view("1\0", 2)) == std::nullopt);
}

TEST_CASE("every double that is written is read back and only the view is read") {
  std::mt19937_64 bits(1);
  for (int i = 0; i < 20000; ++i) {
    const auto value = std::bit_cast<double>(bits());
    if (!std::isfinite(value)) continue;
    char text[64];
    const auto end = std::to_chars(text, text + 40, value).ptr;
    *end = '7';
    REQUIRE(parse_number(std::string_view(text, end)) == value);
  }
}

TEST_CASE("numbers are read with a point whatever the locale") {
  const comma_locale locale;
  REQUIRE(std::strtod("1,5", nullptr) == 1.5);
  CHECK(parse_number("1.5") == 1.5);
  CHECK(parse_number("1,5") == std::nullopt);
  CHECK(std::strtod("1,5", nullptr) == 1.5);  // the locale is the program's again
}

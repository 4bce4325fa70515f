// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "process.hpp"

#include <CLI/CLI.hpp>

#include <charconv>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <limits>
#include <new>
#include <string>

/// What the programs' main() have in common.

namespace text_to_emoji {

namespace detail {

template <class Integer>
std::string complaint_of_integer(const std::string& text) {
  Integer value{};
  const char* const end = text.data() + text.size();
  const auto parsed = std::from_chars(text.data(), end, value);
  if (parsed.ec == std::errc{} && parsed.ptr == end) return {};
  return "'" + text + "' is no whole number from " + std::to_string(std::numeric_limits<Integer>::min()) + " to " +
         std::to_string(std::numeric_limits<Integer>::max());
}

inline std::string complaint_of_real(const std::string& text) {
  char* end = nullptr;
  const double value = std::strtod(text.c_str(), &end);
  const bool is_read = !text.empty() && end == text.c_str() + text.size();
  if (is_read && std::abs(value) <= static_cast<double>(std::numeric_limits<float>::max())) return {};
  return "'" + text + "' is no finite number";
}

/// Options of one value take the last one that is given, so that a script's come before its user's. Numbers are what
/// they are written as: none wraps around, saturates or is not finite.
inline void make_strict(CLI::App& app) {
  for (CLI::Option* option : app.get_options()) {
    const std::string type = option->get_type_name();
    if (option->get_items_expected_max() == 1) option->multi_option_policy(CLI::MultiOptionPolicy::TakeLast);
    if (type.starts_with("UINT"))
      option->check(CLI::Validator(complaint_of_integer<std::uint64_t>, ""));
    else if (type.starts_with("INT"))
      option->check(CLI::Validator(complaint_of_integer<std::int64_t>, ""));
    else if (type.starts_with("FLOAT"))
      option->check(CLI::Validator(complaint_of_real, ""));
  }
  for (CLI::App* command : app.get_subcommands({})) make_strict(*command);
}

}  // namespace detail

/// Reads the options and calls command(), which returns the exit status; what it throws is printed. All of main().
template <class Command>
int run_program(const char* name, CLI::App& app, int argc, char** argv, const Command& command) {
  prepare_process();
  detail::make_strict(app);
  const auto run = [&] {
    try {
      app.parse(argc, argv);
    } catch (const CLI::ParseError& error) {
      return app.exit(error);
    }
    std::string failure;
    try {
      return command();
    } catch (const std::bad_alloc&) {
      failure = "there is not enough memory for what was asked for; make it smaller";
    } catch (const std::exception& error) {
      failure = error.what();
    }
    std::fflush(stdout);
    std::fprintf(stderr, "%s: %s\n", name, failure.c_str());
    return 1;
  };
  return finish_process(name, run());
}

}  // namespace text_to_emoji

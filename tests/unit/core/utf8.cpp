// SPDX-License-Identifier: Apache-2.0
#include <fewstep/core/utf8.hpp>

#include <nlohmann/json.hpp>

#include <random>
#include <string>

#include "test.hpp"

namespace {

/// What nlohmann's JSON says of a text, which it refuses to write if it is not UTF-8.
bool json_takes(const std::string& text) {
  try {
    (void)nlohmann::json(text).dump();
    return true;
  } catch (const nlohmann::json::exception&) {
    return false;
  }
}

}  // namespace

TEST_CASE("UTF-8 is told from other bytes as a JSON writer does") {
  std::string text;
  int wrong = 0, taken = 0;
  const auto compare = [&] {
    const bool is = fewstep::is_utf8(text);
    wrong += is != json_takes(text);
    taken += is;
  };
  for (int a = 0; a < 256; ++a)
    for (int b = 0; b < 256; ++b) {
      text = {static_cast<char>(a), static_cast<char>(b)};
      compare();
    }
  // Longer ones of the bytes at which a rule changes.
  const std::string edges =
      "\x41\x7f\x80\x8f\x90\x9f\xa0\xbf\xc0\xc1\xc2\xdf\xe0\xe1\xec\xed\xee\xef\xf0\xf1\xf3\xf4\xf5\xff";
  for (const char a : edges)
    for (const char b : edges)
      for (const char c : edges) {
        text = {a, b, c};
        compare();
        for (const char d : edges) {
          text = {a, b, c, d};
          compare();
        }
      }
  const std::uint32_t seed = 7;
  CAPTURE(seed);
  std::mt19937 random(seed);
  for (int i = 0; i < 20000; ++i) {
    text.assign(random() % 8, '\0');
    for (char& c : text) c = edges[random() % edges.size()];
    compare();
  }
  CHECK(wrong == 0);
  CHECK(taken > 20000);
}

TEST_CASE("the error of a text that is not UTF-8 names it and the remedy") {
  CHECK_NOTHROW(fewstep::require_utf8("l\u00e4ngen \u4f60\u597d \U0001f642", "the tag"));
  CHECK_THROWS_WITH(fewstep::require_utf8("l\xe4ngen", "the tag"),
                    contains("the tag 'l\xe4ngen' is not UTF-8; convert it first"));
}

// SPDX-License-Identifier: Apache-2.0
// The words of a vocabulary, and a prompt: the input up to its first zero byte, and what follows.
#include "fuzz.hpp"

#include <fewstep/generator/vocabulary.hpp>

#include <cstdlib>
#include <string_view>

FEWSTEP_FUZZ(bytes) {
  const std::string_view all(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  const auto end = all.find('\0');
  const auto words = all.substr(0, end);
  const std::string_view prompt = end == all.npos ? std::string_view() : all.substr(end + 1);
  const auto split = fewstep::vocabulary::split(words);
  if (static_cast<fewstep::index_t>(split.size()) != fewstep::vocabulary::count(words)) std::abort();
  const auto encode = [&](const fewstep::vocabulary& known) {
    const auto found = known.encode(prompt);
    for (const auto id : found.tokens.ids)
      if (id < 0 || id >= known.size()) std::abort();
  };
  encode(fewstep::vocabulary());
  encode(fewstep::vocabulary(split));
}

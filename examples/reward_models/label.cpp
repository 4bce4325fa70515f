// SPDX-License-Identifier: Apache-2.0
#include "label_page.hpp"
#include "pair_file.hpp"
#include "settings.hpp"

#include <fewstep/core/error.hpp>
#include <fewstep/image/png.hpp>
#include <fewstep/io/atomic_file.hpp>

#include <nlohmann/json.hpp>

#include <cstdio>
#include <string>
#include <string_view>

namespace reward_models {
namespace {

/// RFC 4648, section 4.
std::string base64(std::span<const std::byte> bytes) {
  constexpr std::string_view letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string text;
  for (std::size_t i = 0; i < bytes.size(); i += 3) {
    const std::size_t given = std::min<std::size_t>(3, bytes.size() - i);
    std::uint32_t bits = 0;
    for (std::size_t k = 0; k < 3; ++k)
      bits = bits << 8 | (k < given ? std::to_integer<std::uint32_t>(bytes[i + k]) : 0u);
    for (std::size_t k = 0; k < 4; ++k) text += k <= given ? letters[bits >> (18 - 6 * k) & 63u] : '=';
  }
  return text;
}

std::string png_of(const pair_file& pairs, std::size_t pair, std::size_t which) {
  constexpr auto side = text_to_emoji::emoji_data::side;
  const auto levels = pairs.levels(pair, which);
  return base64(fewstep::encode_png({side, side, {levels.begin(), levels.end()}}));
}

}  // namespace

int write_label_page(const label_settings& s) {
  const auto pairs = pair_file::load(s.pairs);
  fewstep::expects(s.count >= 1 && s.first >= 0 &&
                       static_cast<std::size_t>(s.first) + static_cast<std::size_t>(s.count) <= pairs.training,
                   [&] {
                     return fewstep::message("--first is ", s.first, " and --count ", s.count, ", but ",
                                             s.pairs.string(), " has ", pairs.training,
                                             " pairs to train with; label at least one and none beyond them");
                   });
  nlohmann::ordered_json items = nlohmann::ordered_json::array();
  for (int i = s.first; i < s.first + s.count; ++i) {
    const auto pair = static_cast<std::size_t>(i);
    items.push_back(
        {{"pair", i}, {"prompt", pairs.prompts[pair]}, {"pictures", {png_of(pairs, pair, 0), png_of(pairs, pair, 1)}}});
  }
  const nlohmann::ordered_json data{{"pairs", pairs.checksum()}, {"items", std::move(items)}};
  std::string text;
  for (const char c : data.dump())
    if (c == '<')
      text += "\\u003c";  // so that no prompt can end the script element
    else
      text += c;
  std::string page = label_page;
  constexpr std::string_view place = ">DATA<";
  page.replace(page.find(place) + 1, place.size() - 2, text);
  fewstep::write_atomically(s.output, page);
  std::printf("%d pairs: open %s in a browser, then 'reward_models read-answers answers.json --pairs %s'\n", s.count,
              s.output.c_str(), s.pairs.c_str());
  return 0;
}

}  // namespace reward_models

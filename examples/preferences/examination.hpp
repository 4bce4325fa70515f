// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "../text_to_emoji/emoji_data.hpp"
#include "../text_to_emoji/emoji_reward.hpp"
#include "../text_to_emoji/name_index.hpp"
#include "../text_to_emoji/runtime.hpp"
#include "settings.hpp"

#include <fewstep/backend/cpu/backend.hpp>

#include <array>
#include <cstdint>
#include <string>
#include <vector>

namespace preferences {

/// What a picture is measured by, and whether more of it is better.
inline constexpr std::array figure_names = {"the judge",       "the rule of the labels",   "text-picture alignment",
                                            "top-5 retrieval", "distance to a true emoji", "diversity"};
inline constexpr std::array more_is_better = {true, true, true, true, false, true};

/// Pictures of held-back names, those of a name standing together, and every figure of each.
struct examined {
  std::vector<float> pictures;
  std::array<std::vector<float>, figure_names.size()> figures;
};

/// Draws the same names from the same noise whenever it is asked, and measures what comes:
///  - the judge: a preference model that was trained on other pairs, and that no training here has seen;
///  - the rule that labels the pairs;
///  - alignment: the cosine of picture and prompt by a two-tower;
///  - retrieval: 1 where the name is among the five nearest by pixels at 16 x 16;
///  - distance: root mean square to the nearest of all true emojis at that size, of values from -1 to 1; noise is far
///    from all of them;
///  - diversity: the same between a picture and the others of its name, at full size.
class examination {
 public:
  examination(fewstep::cpu_backend& host, const settings& s, const text_to_emoji::emoji_data& data,
              const fewstep::vocabulary& words);

  [[nodiscard]] examined of(text_to_emoji::painter& artist) const;

  /// Before and after with the interval of the difference and the win rate, the names being the independent units; as
  /// people read it and as CSV.
  [[nodiscard]] std::string table(const examined& before, const examined& after) const;
  [[nodiscard]] std::string csv(const examined& before, const examined& after) const;

 private:
  fewstep::cpu_backend* host_;
  int samples_;
  text_to_emoji::name_index index_;
  text_to_emoji::emoji_reward judge_, alignment_;
  std::vector<std::string> prompts_;
  std::vector<std::int32_t> name_;  // of each picture
};

}  // namespace preferences

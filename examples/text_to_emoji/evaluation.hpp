// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "drawing.hpp"
#include "emoji_data.hpp"
#include "emoji_reward.hpp"
#include "name_index.hpp"
#include "runtime.hpp"

#include <fewstep/backend/cpu/backend.hpp>

#include <array>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <vector>

namespace text_to_emoji {

inline constexpr auto picture_values = static_cast<std::size_t>(emoji_data::picture_size);

[[nodiscard]] double mean(std::span<const double> values);

/// Prompts that are rated together.
struct prompt_group {
  std::string name, description;
  std::vector<std::string> prompts;
  std::vector<std::int32_t> names;  ///< of each prompt
};

/// At most `prompts` prompts of each kind, the same in every run: names that reinforcement learning does not use (the
/// headline, first), names that it uses, and (style, name) pairs that pretraining has not seen either.
[[nodiscard]] std::vector<prompt_group> evaluation_groups(const emoji_data& data, int prompts);

inline constexpr std::array figure_names = {"reward",    "JPEG bytes above the floor", "top-5 retrieval",
                                            "diversity", "text-picture alignment",     "preference reward"};
enum figure : std::size_t {
  reward_figure,
  bytes_figure,
  retrieval_figure,
  diversity_figure,
  alignment_figure,
  preference_figure
};

/// What gives the first and the last two figures. Empty ones are left out of the table.
struct picture_rewards {
  emoji_reward reward, alignment = {}, preference = {};
};

/// Pictures of one group, and the mean of each figure over the samples of each prompt: [figure][prompt].
struct rated_pictures {
  std::vector<float> pictures;
  std::array<std::vector<double>, figure_names.size()> figures;
};

/// Rates pictures [prompts * samples, picture], those of a prompt standing together, each made for its context.
/// Retrieval is the share of the samples whose prompt's name is among the five nearest; diversity the root mean square
/// difference of pixel values (from -1 to 1) between two samples of a prompt, averaged over pairs.
[[nodiscard]] rated_pictures rate(fewstep::cpu_backend& host, std::vector<float> pictures,
                                  std::span<const fewstep::token_list> contexts, std::span<const std::int32_t> names,
                                  const name_index& index, const picture_rewards& rewards);

/// Draws `samples` pictures for every prompt of the groups, with noise that depends on group and place only.
struct evaluation_plan {
  std::vector<float> times = times_for(4);  ///< of the network calls
  int samples = 4;
  std::uint64_t seed = 20240403;

  [[nodiscard]] std::vector<rated_pictures> run(fewstep::cpu_backend& host, painter& artist,
                                                std::span<const prompt_group> groups, const name_index& index,
                                                const picture_rewards& rewards) const;
};

/// One line of the table: means over prompts, and the paired difference with its 95 % interval, the prompts being the
/// independent units.
struct compared_figure {
  const prompt_group* group;
  std::size_t which;
  double before, after, difference, half_width;
};

[[nodiscard]] std::vector<compared_figure> compare(std::span<const prompt_group> groups,
                                                   std::span<const rated_pictures> before,
                                                   std::span<const rated_pictures> after);

/// The table as people read it, as CSV and as JSON.
[[nodiscard]] std::string as_table(std::span<const compared_figure> figures);
[[nodiscard]] std::string as_csv(std::span<const compared_figure> figures);
[[nodiscard]] std::string as_json(std::span<const compared_figure> figures);

/// A paragraph for each of retrieval and diversity that fell by a quarter or more on the headline prompts; else empty.
[[nodiscard]] std::string warnings(std::span<const compared_figure> figures, double kl);

}  // namespace text_to_emoji

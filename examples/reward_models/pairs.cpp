// SPDX-License-Identifier: Apache-2.0
#include "../text_to_emoji/drawing.hpp"
#include "../text_to_emoji/emoji_data.hpp"
#include "../text_to_emoji/interrupt.hpp"
#include "../text_to_emoji/option_checks.hpp"
#include "../text_to_emoji/prompt_words.hpp"
#include "../text_to_emoji/runtime.hpp"
#include "pair_file.hpp"
#include "settings.hpp"

#include <fewstep/image/rgb.hpp>
#include <fewstep/io/crc32c.hpp>
#include <fewstep/io/file.hpp>
#include <fewstep/log/progress_bar.hpp>
#include <fewstep/reward_model/labelling_rule.hpp>

#include <nlohmann/json.hpp>

#include <algorithm>
#include <cmath>
#include <cstdio>

namespace reward_models {
namespace {

using fewstep::index_t;

void check(const pairs_settings& s) {
  text_to_emoji::expect_at_least("--pairs", s.pairs, 1);
  text_to_emoji::expect_at_least("--held-out", s.held_out, 1);
  text_to_emoji::expect_between("--steps", s.steps, 1, 10000);
  text_to_emoji::expect_threads(s.threads);
  fewstep::expects(s.flipped >= 0 && s.flipped <= 0.5,
                   [&] { return fewstep::message("--flipped is ", s.flipped, "; it must be from 0 to 0.5"); });
}

/// How much each part of the rule differs within a pair: the deviation of its difference.
void print_spread(const pair_file& pairs, const fewstep::labelling_rule& rule) {
  const auto count = static_cast<double>(pairs.size());
  std::printf("part of the rule     weight   difference within a pair\n");
  const auto line = [&](const char* name, double weight, const fewstep::labelling_rule& part) {
    double squares = 0;
    std::vector<float> x(2 * pair_file::values);
    for (std::size_t i = 0; i < pairs.size(); ++i) {
      double score[2];
      for (std::size_t k = 0; k < 2; ++k) {
        pairs.picture(i, k, x.data());
        score[k] = part({x.data(), {static_cast<index_t>(pair_file::values)}});
      }
      squares += (score[0] - score[1]) * (score[0] - score[1]) / count;
    }
    std::printf("%-18s %8g   %8.4f\n", name, weight, std::sqrt(squares));
  };
  line("colourfulness", rule.colour, {.colour = 1, .centre = 0, .stray = 0});
  line("centredness", rule.centre, {.colour = 0, .centre = 1, .stray = 0});
  line("stray pixels", rule.stray, {.colour = 0, .centre = 0, .stray = 1});
}

}  // namespace

int draw_pairs(const pairs_settings& s) {
  check(s);
  text_to_emoji::watch_for_interrupts();
  const auto data = text_to_emoji::emoji_data::load(s.data);
  const auto runtime = text_to_emoji::make_runtime(s.backend, s.threads);
  const auto artist = runtime->load(s.checkpoint);
  text_to_emoji::warn_of_left_out(artist->words(), data.names);
  const auto times = text_to_emoji::times_for(s.steps);
  const fewstep::labelling_rule rule{.colour = s.colour, .centre = s.centre, .stray = s.stray};

  pair_file pairs;
  pairs.training = static_cast<std::size_t>(s.pairs);
  const std::size_t count = pairs.training + static_cast<std::size_t>(s.held_out);
  const fewstep::random_stream random{s.seed, fewstep::stream::prompts};
  std::vector<fewstep::token_list> contexts;
  for (std::size_t i = 0; i < count; ++i) {
    const auto& names = i < pairs.training ? data.tuning : data.held_back;
    const auto name = names[random.below(static_cast<std::uint32_t>(names.size()), i)];
    pairs.prompts.push_back(data.names[static_cast<std::size_t>(name)]);
    contexts.insert(contexts.end(), 2, artist->encode(pairs.prompts.back()));
  }

  fewstep::progress_bar bar(static_cast<std::int64_t>(count), "drawing");
  constexpr std::size_t at_once = 64;  // pairs
  for (std::size_t done = 0; done < count && !text_to_emoji::interrupted(); done += at_once) {
    const std::size_t these = std::min(at_once, count - done);
    const auto drawn = artist->draw(std::span(contexts).subspan(2 * done, 2 * these), times, s.seed, 2 * done);
    for (const float value : drawn) pairs.pictures.push_back(fewstep::to_8_bit(value));
    bar.update(static_cast<std::int64_t>(done + these), {});
  }
  if (text_to_emoji::interrupted()) return text_to_emoji::interrupted_status();

  std::vector<float> sides[2];
  for (std::size_t k = 0; k < 2; ++k) {
    sides[k].resize(count * pair_file::values);
    for (std::size_t i = 0; i < count; ++i) pairs.picture(i, k, sides[k].data() + i * pair_file::values);
  }
  const auto rows = [&](int k) {
    return fewstep::matrix<const float>{sides[k].data(),
                                        {static_cast<index_t>(count), static_cast<index_t>(pair_file::values)}};
  };
  const auto labels = fewstep::label_pairs(rule, rows(0), rows(1), {.flipped_share = s.flipped, .seed = s.seed});
  std::size_t flipped = 0;
  for (const auto& label : labels) {
    pairs.first_wins.push_back(label.first_wins ? 1 : 0);
    pairs.rule_says_first.push_back(label.first_wins != label.flipped ? 1 : 0);
    flipped += label.flipped ? 1 : 0;
  }
  pairs.answered.assign(count, 0);
  pairs.origin = nlohmann::json{
      {"checkpoint_checksum", fewstep::crc32c(fewstep::read_file(s.checkpoint))},
      {"steps", s.steps},
      {"seed", s.seed},
      {"flipped", s.flipped},
      {"colour", s.colour},
      {"centre", s.centre},
      {"stray",
       s.stray}}.dump();
  pairs.save(s.output);
  print_spread(pairs, rule);
  std::printf("written to %s: %zu pairs to train with and %d held out, %zu labels (%.1f %%) against the rule\n",
              s.output.c_str(), pairs.training, s.held_out, flipped,
              100 * static_cast<double>(flipped) / static_cast<double>(count));
  return 0;
}

}  // namespace reward_models

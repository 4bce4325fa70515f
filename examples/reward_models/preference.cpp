// SPDX-License-Identifier: Apache-2.0
#include "../compiled_kernels/kernels.hpp"
#include "pair_file.hpp"
#include "training.hpp"

#include <fewstep/core/random.hpp>
#include <fewstep/io/crc32c.hpp>
#include <fewstep/io/file.hpp>
#include <fewstep/model_file/reward_model_file.hpp>
#include <fewstep/reward_model/preference_reward.hpp>
#include <fewstep/reward_model/preference_training.hpp>

#include <algorithm>
#include <array>
#include <utility>

namespace reward_models {
namespace {

using fewstep::index_t;
using fewstep::matrix;
using fewstep::token_list;

/// Pairs drawn with replacement, both pictures mirrored half of the time and, where up and down are alike to whom the
/// reward is learned from, turned by a random number of quarters.
class drawn_pairs {
 public:
  drawn_pairs(const pair_file& pairs, std::vector<std::size_t> which, bool turned, std::uint64_t seed)
      : pairs_(&pairs), which_(std::move(which)), turned_(turned), source_{seed, fewstep::stream::data} {}

  void operator()(std::int64_t step, matrix<float> winners, matrix<float> losers, std::span<token_list>) const {
    for (index_t i = 0; i < winners.rows(); ++i) {
      const auto sample = static_cast<std::uint64_t>(step * winners.rows() + i);
      const std::size_t pair = which_[source_.below(static_cast<std::uint32_t>(which_.size()), sample)];
      const bool mirrored = source_.below(2, sample, 1) == 1;
      const auto quarters = turned_ ? static_cast<int>(source_.below(4, sample, 2)) : 0;
      const std::size_t winner = pairs_->first_wins[pair] == 1 ? 0 : 1;
      show(pair, winner, mirrored, quarters, winners.row(i));
      show(pair, 1 - winner, mirrored, quarters, losers.row(i));
    }
  }

 private:
  void show(std::size_t pair, std::size_t which, bool mirrored, int quarters, float* x) const {
    constexpr index_t side = text_to_emoji::emoji_data::side;
    std::array<float, pair_file::values> upright{};
    pairs_->picture(pair, which, upright.data());
    for (index_t y = 0; y < side; ++y)
      for (index_t z = 0; z < side; ++z) {
        index_t row = y, column = mirrored ? side - 1 - z : z;
        for (int turn = 0; turn < quarters; ++turn) row = std::exchange(column, side - 1 - row);
        std::copy_n(upright.data() + (row * side + column) * 3, 3, x + (y * side + z) * 3);
      }
  }

  const pair_file* pairs_;
  std::vector<std::size_t> which_;
  bool turned_;
  fewstep::random_stream source_;
};

std::vector<std::size_t> training_pairs(const preference_settings& s, const pair_file& pairs) {
  std::vector<std::size_t> which;
  for (std::size_t i = 0; i < pairs.training; ++i)
    if (!s.only_answered || pairs.answered[i] == 1) which.push_back(i);
  if (which.empty())
    throw std::runtime_error(
        fewstep::message(s.pairs.string(), ": has no pair to train with",
                         s.only_answered ? " that a person has labelled; see 'reward_models label'" : ""));
  return which;
}

/// Share of the held-out pairs of which the reward prefers the same picture as these labels do.
double held_out_accuracy(fewstep::preference_reward<fewstep::cpu_backend>& reward, const pair_file& pairs,
                         const std::vector<std::uint8_t>& first_wins) {
  const std::size_t count = pairs.size() - pairs.training;
  std::vector<float> winners(count * pair_file::values), losers(winners.size());
  for (std::size_t i = 0; i < count; ++i) {
    const std::size_t pair = pairs.training + i, winner = first_wins[pair] == 1 ? 0 : 1;
    pairs.picture(pair, winner, winners.data() + i * pair_file::values);
    pairs.picture(pair, 1 - winner, losers.data() + i * pair_file::values);
  }
  const fewstep::array_extents<2> extents{static_cast<index_t>(count), static_cast<index_t>(pair_file::values)};
  const std::vector<token_list> none(count);
  return fewstep::preference_accuracy(reward, matrix<const float>{winners.data(), extents},
                                      matrix<const float>{losers.data(), extents}, std::span<const token_list>(none));
}

/// Mean 0 and variance 1 over the pictures of the training pairs.
fewstep::reward_scale calibrated(fewstep::preference_reward<fewstep::cpu_backend>& reward, const pair_file& pairs) {
  const std::size_t count = 2 * pairs.training;
  std::vector<float> pictures(count * pair_file::values);
  for (std::size_t i = 0; i < count; ++i) pairs.picture(i / 2, i % 2, pictures.data() + i * pair_file::values);
  const std::vector<token_list> none(count);
  reward.calibrate(
      matrix<const float>{pictures.data(), {static_cast<index_t>(count), static_cast<index_t>(pair_file::values)}},
      std::span<const token_list>(none));
  return reward.scale();
}

}  // namespace

int train_preference(const preference_settings& settings) {
  const training_settings& s = settings.training;
  check(s);
  text_to_emoji::watch_for_interrupts();
  const auto pairs = pair_file::load(settings.pairs);
  const auto which = training_pairs(settings, pairs);
  fewstep::cpu_backend backend({.threads = s.threads});
  fewstep::preference_model<fewstep::cpu_backend> model(
      backend, {}, {.network = {.image = encoder_of(s), .hidden = s.features}, .seed = s.seed});
  const std::size_t held_out = pairs.size() - pairs.training;
  std::printf("model        a reward of %td parameters\ndata         %zu pairs to train with, %zu held out\n",
              model.layout().size(), which.size(), held_out);
  auto options = options_of<fewstep::preference_training_options>(s);
  options.label_smoothing = settings.label_smoothing;
  fewstep::preference_training training(backend, model, rule_of(s), options);
  drawn_pairs source(pairs, which, settings.turned, s.seed);
  const std::uint32_t checksum = fewstep::crc32c(fewstep::read_file(settings.pairs));
  const training_place place(s);
  const auto data_matches = [&](auto& archive) {
    archive.must_match("data_checksum", checksum);
    archive.must_match("only_answered", settings.only_answered);
    archive.must_match("turned", settings.turned);
  };
  if (!train(s, model, training, source, data_matches)) return text_to_emoji::interrupted_status();

  fewstep::preference_reward trained(backend, model);
  fewstep::save_preference_model(backend, s.output, model, model.parameters(), calibrated(trained, pairs),
                                 s.half ? fewstep::element_type::f16 : fewstep::element_type::f32);
  auto written = fewstep::load_preference_model(backend, s.output);
  fewstep::preference_reward reward(backend, written.model, written.scale);
  const double by_rule = held_out_accuracy(reward, pairs, pairs.rule_says_first);
  const double by_label = held_out_accuracy(reward, pairs, pairs.first_wins);
  double agreeing = 0;
  for (std::size_t i = pairs.training; i < pairs.size(); ++i)
    agreeing += pairs.first_wins[i] == pairs.rule_says_first[i] ? 1 : 0;
  agreeing /= static_cast<double>(held_out);
  std::printf(
      "\nheld-out pairs: %.1f %% as the rule has them, %.1f %% as labelled, where the rule itself has %.1f %%\n"
      "scale: pictures to train with have rewards of mean 0 and deviation 1 (%g and %g as the network says)\n",
      100 * by_rule, 100 * by_label, 100 * agreeing, static_cast<double>(written.scale.mean),
      static_cast<double>(written.scale.deviation));
  finish_training(s, "preference",
                  {{"parameters", model.layout().size()},
                   {"steps", s.steps},
                   {"batch", s.batch},
                   {"learning_rate", as_written(s.learning_rate)},
                   {"label_smoothing", as_written(settings.label_smoothing)},
                   {"turned", settings.turned},
                   {"seed", s.seed},
                   {"training_pairs", which.size()},
                   {"held_out_pairs", held_out},
                   {"held_out_as_the_rule", by_rule},
                   {"held_out_as_labelled", by_label},
                   {"rule_as_labelled", agreeing},
                   {"pairs", nlohmann::ordered_json::parse(pairs.origin)}});
  return 0;
}

}  // namespace reward_models

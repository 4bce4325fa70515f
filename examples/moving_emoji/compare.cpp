// SPDX-License-Identifier: Apache-2.0
#include "../compiled_kernels/kernels.hpp"
#include "moving_emoji.hpp"

#include <fewstep/algorithm/dense_dpo.hpp>
#include <fewstep/algorithm/regenerated_pairs.hpp>
#include <fewstep/image/picture_grid.hpp>
#include <fewstep/image/png.hpp>
#include <fewstep/io/atomic_file.hpp>
#include <fewstep/monitor/win_rate.hpp>
#include <fewstep/optimizer/adam.hpp>
#include <fewstep/preference/recorded_pairs.hpp>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <ctime>
#include <functional>
#include <numeric>
#include <utility>

namespace moving_emoji {
namespace {

using fewstep::cpu_backend;
using fewstep::matrix;
using records = fewstep::pair_records<token_list>;

double processor_seconds() { return static_cast<double>(std::clock()) / CLOCKS_PER_SEC; }

std::span<const float> clip_of(const std::vector<float>& clips, std::size_t i) {
  return std::span(clips).subspan(i * clip_size, clip_size);
}

/// Pairs of clips for the names of true clips, both made from a share of the way between the true clip and noise on; a
/// share of 1 is noise alone. The judge comes later, as both kinds of labels are of the same pairs.
records pairs_of(cpu_backend& backend, clip_generator& base, const compare_settings& s, const emoji_pictures& emoji,
                 float least, float most) {
  const auto unjudged = [](matrix<const float>, matrix<const float>, matrix<const float>, std::span<const token_list>,
                           matrix<float>) {};
  constexpr index_t at_once = 32;
  fewstep::regenerated_pairs source(backend, base, true_clips(emoji, s.seed + 100), unjudged,
                                    {.pairs = at_once, .steps = s.steps, .least = least, .most = most, .seed = s.seed});
  records made;
  std::vector<float> first(at_once * clip_size), second = first, labels(at_once);
  std::vector<token_list> contexts(at_once);
  for (std::int64_t update = 0; static_cast<int>(made.contexts.size()) < s.pairs; ++update) {
    source(update, {first.data(), {at_once, clip_size}}, {second.data(), {at_once, clip_size}}, contexts,
           {labels.data(), {at_once, 1}});
    made.first.insert(made.first.end(), first.begin(), first.end());
    made.second.insert(made.second.end(), second.begin(), second.end());
    made.contexts.insert(made.contexts.end(), contexts.begin(), contexts.end());
  }
  made.contexts.resize(static_cast<std::size_t>(s.pairs));
  for (auto* clips : {&made.first, &made.second}) clips->resize(made.contexts.size() * clip_size);
  return made;
}

/// Labels for each stretch of so many frames of each pair: the less distorted member is the better one, and a
/// difference below the share `tie` of the mean decides nothing.
std::vector<float> labels_of(const records& pairs, const emoji_pictures& emoji, index_t stretch, double tie) {
  std::vector<float> labels;
  for (std::size_t i = 0; i < pairs.contexts.size(); ++i) {
    const auto picture = emoji.of(pairs.contexts[i]);
    const auto a = distortions(clip_of(pairs.first, i), picture), b = distortions(clip_of(pairs.second, i), picture);
    for (auto f = a.begin(), g = b.begin(); f != a.end(); f += stretch, g += stretch) {
      const double of_a = std::accumulate(f, f + stretch, 0.0), of_b = std::accumulate(g, g + stretch, 0.0);
      const bool tied = std::abs(of_a - of_b) < tie * 0.5 * (of_a + of_b);
      labels.push_back(tied ? 0.0f : of_a < of_b ? 1.0f : -1.0f);
    }
  }
  return labels;
}

/// What the labels of whole clips prefer beside what they are made by: how much the winners move, and the losers.
void describe(const char* name, const records& whole) {
  double won = 0, lost = 0, slower = 0, apart = 0, decided = 0;
  for (std::size_t i = 0; i < whole.contexts.size(); ++i) {
    if (whole.labels[i] == 0) continue;
    const double a = motion(clip_of(whole.first, i)), b = motion(clip_of(whole.second, i));
    won += whole.labels[i] > 0 ? a : b;
    lost += whole.labels[i] > 0 ? b : a;
    slower += (whole.labels[i] > 0) == (a < b) ? 1 : 0;
    apart += std::abs(a - b);
    ++decided;
  }
  std::printf(
      "%-22s   winners move %.3f, losers %.3f, members apart by %.3f; the winner is the slower one in %.1f %%\n", name,
      won / decided, lost / decided, apart / decided, 100 * slower / decided);
}

/// Trains `model`, which begins as the base, and returns what the last 20 updates said on average.
fewstep::preference_report train(cpu_backend& backend, clip_generator& model, clip_generator& base,
                                 const records& pairs, const compare_settings& s) {
  std::ranges::copy(base.parameters(), model.parameters().begin());
  model.parameters_changed();
  const fewstep::recorded_pairs<token_list> source(pairs, clip_size, s.seed);
  const auto map = source.segments() > 1 ? segments : fewstep::segment_map{};
  // With one segment this is Flow-DPO, the whole-clip DPO of flows.
  auto trainer = fewstep::dense_dpo(
      backend, model, source,
      fewstep::preference_parts{.optimizer = fewstep::adamw{.learning_rate = s.learning_rate},
                                .reference = fewstep::frozen_reference(base),
                                .link = fewstep::logistic_link{.beta = s.beta}},
      {.pairs = {.comparisons = s.batch, .segments = map}, .update = {.training = {.seed = s.seed}}});
  fewstep::preference_report mean;
  for (int i = 0; i < s.updates; ++i) {
    const auto report = trainer.update();
    const double weight = 1.0 / std::min(i + 1, 20);
    mean.accuracy += weight * (report.accuracy - mean.accuracy);
    mean.winner_log_ratio += weight * (report.winner_log_ratio - mean.winner_log_ratio);
    mean.loser_log_ratio += weight * (report.loser_log_ratio - mean.loser_log_ratio);
  }
  return mean;
}

/// Figures of clips beside those that the base drew from the same noise, with intervals over the names.
void print(const char* name, const clip_figures& now, const clip_figures& before,
           const std::vector<std::int32_t>& cluster) {
  const auto mean = [&](const std::vector<float>& values, const std::vector<float>* less = nullptr) {
    std::vector<double> all(values.begin(), values.end());
    for (std::size_t i = 0; less != nullptr && i < all.size(); ++i) all[i] -= static_cast<double>((*less)[i]);
    return fewstep::clustered_mean(all, cluster);
  };
  const auto motion = mean(now.motion), change = mean(now.motion, &before.motion), bad = mean(now.distortion),
             like = mean(now.likeness);
  const auto won = fewstep::win_rate_of(now.likeness, before.likeness, cluster);
  std::printf("%-20s   %.3f   %+.3f [%+.3f, %+.3f]   %.3f [%.3f, %.3f]   %.3f [%.3f, %.3f]   %4.1f [%4.1f, %4.1f] %%\n",
              name, motion.mean, change.mean, change.low, change.high, bad.mean, bad.low, bad.high, like.mean, like.low,
              like.high, 100 * won.rate, 100 * won.low, 100 * won.high);
}

}  // namespace

int compare(const compare_settings& s) {
  fewstep::require_writable_directory(s.output);
  cpu_backend backend({.threads = s.threads});
  const auto emoji = emoji_pictures::load(s.data);
  auto base = load(backend, s.base, emoji), model = load(backend, s.base, emoji);

  double since = processor_seconds();
  const auto elapsed = [&] { return processor_seconds() - std::exchange(since, processor_seconds()); };
  records independent = pairs_of(backend, base, s, emoji, 1, 1);
  const double seconds_independent = elapsed();
  records copies = pairs_of(backend, base, s, emoji, s.least, s.most);
  const double seconds_copies = elapsed();
  for (records* pairs : {&independent, &copies}) pairs->labels = labels_of(*pairs, emoji, frames, 0);
  describe("independent clips", independent);
  describe("copies of true clips", copies);
  const auto by_segment = labels_of(copies, emoji, segments.length, static_cast<double>(s.tie));
  const auto ties = static_cast<double>(std::ranges::count(by_segment, 0.0f));
  std::printf("%.0f %% of the segments are ties\n\n", 100 * ties / static_cast<double>(by_segment.size()));

  // As many clips of each name; true ones are drawn as they come.
  std::vector<token_list> prompts, true_prompts(static_cast<std::size_t>(s.clips) * emoji.prompts.size());
  std::vector<std::int32_t> cluster;
  for (std::size_t i = 0; i < true_prompts.size(); ++i) {
    cluster.push_back(static_cast<std::int32_t>(i % emoji.prompts.size()));
    prompts.push_back(emoji.prompts[i % emoji.prompts.size()]);
  }
  std::vector<float> real(prompts.size() * clip_size);
  true_clips(emoji, s.seed + 200)(0, {real.data(), {static_cast<index_t>(prompts.size()), clip_size}}, true_prompts);
  const auto measured = [&](const std::vector<float>& clips, const std::vector<token_list>& of) {
    return measure(backend, s.encoder, emoji, clips, of);
  };
  const auto drawn = [&](clip_generator& by) { return draw(backend, by, prompts, s.steps, s.seed + 7); };
  std::vector<std::vector<float>> shown{drawn(base)};
  const auto before = measured(shown.front(), prompts);
  std::printf("%-20s   motion  change                    distortion             likeness               wins\n", "");
  const auto of_real = measured(real, true_prompts);
  const auto mean = [](const std::vector<float>& values) {
    return std::accumulate(values.begin(), values.end(), 0.0) / static_cast<double>(values.size());
  };
  std::printf("%-20s   %.3f   %22s   %.3f %16s  %.3f\n", "true clips", mean(of_real.motion), "",
              mean(of_real.distortion), "", mean(of_real.likeness));
  print("the base", before, before, cluster);
  const auto learn = [&](const char* name, const char* file, const records& pairs, double seconds) {
    (void)elapsed();
    const auto last = train(backend, model, base, pairs, s);
    seconds += elapsed();
    shown.push_back(drawn(model));
    print(name, measured(shown.back(), prompts), before, cluster);
    std::printf("%-20s   accuracy %.2f, log-ratios %.4f of winners and %.4f of losers, %.0f s of a processor\n", "",
                last.accuracy, last.winner_log_ratio, last.loser_log_ratio, seconds);
    std::fflush(stdout);
    save(s.output / file, model, model.parameters());
  };
  learn("whole-clip DPO", "dpo.safetensors", independent, seconds_independent);
  learn("whole-clip, copies", "dpo_of_copies.safetensors", copies, seconds_copies);
  copies.labels = by_segment;
  learn("DenseDPO", "dense_dpo.safetensors", copies, seconds_copies);

  // Of the first clip of each name the four that moved most: before, by whole-clip DPO and by DenseDPO.
  std::vector<std::size_t> order(emoji.prompts.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::ranges::sort(order, std::greater{}, [&](std::size_t name) { return before.motion[name]; });
  std::vector<float> pictures;
  for (const std::size_t name : std::span(order).first(4))
    for (const std::size_t system : {0u, 1u, 3u})
      for (index_t f = 0; f < frames; ++f)
        for (const float value : crop(clip_of(shown[system], name), f, 0, 0, side)) pictures.push_back(value);
  const auto count = static_cast<index_t>(pictures.size()) / frame_size;
  fewstep::save_png(s.output / "clips.png", fewstep::picture_grid({pictures.data(), {count, frame_size}}, side, side,
                                                                  frames, {.padding = 2, .scale = 4}));
  return 0;
}

}  // namespace moving_emoji

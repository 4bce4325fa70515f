// SPDX-License-Identifier: Apache-2.0
// DRAGON on the text-to-emoji generator: rewards of single pictures and of sets of them, over features of the picture's
// tower of a two-tower encoder, and judges that had no say in the training.
#define EIGEN_DONT_PARALLELIZE  // the bits of its products may depend on its threads
#include "../compiled_kernels/kernels.hpp"
#include "../text_to_emoji/drawing.hpp"
#include "../text_to_emoji/emoji_data.hpp"
#include "../text_to_emoji/emoji_generator.hpp"
#include "../text_to_emoji/emoji_reward.hpp"
#include "../text_to_emoji/evaluation.hpp"
#include "../text_to_emoji/name_index.hpp"
#include "../text_to_emoji/open_weights.hpp"
#include "../text_to_emoji/program.hpp"
#include "../text_to_emoji/settings.hpp"

#include <fewstep/algorithm/dragon.hpp>
#include <fewstep/model_file/reward_model_file.hpp>
#include <fewstep/monitor/bootstrap.hpp>
#include <fewstep/monitor/win_rate.hpp>
#include <fewstep/optimizer/adam.hpp>
#include <fewstep/preference/set_judge.hpp>
#include <fewstep/reward_model/alignment_reward.hpp>
#include <fewstep/sampler/consistency.hpp>
#include <fewstep/set_reward/frechet_reward.hpp>
#include <fewstep/set_reward/vendi_reward.hpp>

#include <CLI/CLI.hpp>

#include <algorithm>
#include <array>
#include <chrono>
#include <cmath>
#include <cstdio>

namespace {

using namespace fewstep;
using text_to_emoji::emoji_data;
using backend_type = cpu_backend;

struct settings {
  std::vector<std::string> rewards{"instance", "frechet", "text", "vendi"};
  std::filesystem::path output = "dragon.png";
  int updates = 60, pairs = 48, prompts = 64, samples = 4, threads = 0;
  float learning_rate = 1e-4f, beta = 100, ridge = 1e-3f;
  std::uint64_t seed = 0;
};

matrix<const float> rows_of(const std::vector<float>& pictures) {
  return {pictures.data(),
          {static_cast<index_t>(pictures.size()) / emoji_data::picture_size, emoji_data::picture_size}};
}

/// Pictures of held-back names, and what judges without a say in the training make of each.
struct examined {
  std::vector<float> pictures;
  std::vector<float> near, taste, spread;
};

class examination {
 public:
  examination(backend_type& host, const settings& s, const emoji_data& data)
      : index_(data),
        taste_(text_to_emoji::make_reward("preference", text_to_emoji::default_preference, data.words, host.threads())),
        samples_(static_cast<std::size_t>(s.samples)) {
    const auto group = text_to_emoji::evaluation_groups(data, s.prompts).front();
    prompts_ = group.prompts;
    for (const auto name : group.names) cluster.insert(cluster.end(), samples_, name);
  }

  std::vector<std::int32_t> cluster;  ///< of each picture, its name

  examined of(text_to_emoji::painter& artist) const {
    std::vector<token_list> contexts;
    for (const auto& prompt : prompts_) contexts.insert(contexts.end(), samples_, artist.encode(prompt));
    examined made{artist.draw(contexts, text_to_emoji::times_for(4), 20240403), {}, {}, {}};
    made.taste.resize(contexts.size());
    taste_(rows_of(made.pictures), contexts, made.taste);
    constexpr std::size_t size = emoji_data::picture_size;
    const auto picture = [&](std::size_t i) { return std::span<const float>(made.pictures).subspan(i * size, size); };
    for (std::size_t i = 0; i < contexts.size(); ++i) {
      made.near.push_back(-index_.distances(picture(i))[static_cast<std::size_t>(cluster[i])]);
      double squares = 0;  // to the other samples of its prompt
      for (std::size_t j = i / samples_ * samples_; j < (i / samples_ + 1) * samples_; ++j)
        for (std::size_t d = 0; d < size; ++d)
          squares += std::pow(static_cast<double>(picture(i)[d]) - static_cast<double>(picture(j)[d]), 2);
      made.spread.push_back(static_cast<float>(std::sqrt(squares / static_cast<double>((samples_ - 1) * size))));
    }
    return made;
  }

 private:
  text_to_emoji::name_index index_;
  text_to_emoji::emoji_reward taste_;
  std::size_t samples_;
  std::vector<std::string> prompts_;
};

int run(const settings& s) {
  using clock = std::chrono::steady_clock;
  backend_type backend({.threads = s.threads});
  const emoji_data data = emoji_data::load(text_to_emoji::default_data);
  auto towers = load_two_tower(backend, text_to_emoji::open_weights(text_to_emoji::default_two_tower));
  alignment_reward alignment(backend, towers);
  const examination test(backend, s, data);
  const auto checkpoint = text_to_emoji::default_checkpoint;
  const auto load = [&] {
    return std::make_shared<text_to_emoji::emoji_generator<backend_type>>(
        text_to_emoji::load_generator(backend, checkpoint));
  };
  const auto base = load();
  const auto base_artist = text_to_emoji::make_painter(backend, base);
  const examined before = test.of(*base_artist);

  const auto reference = text_to_emoji::load_reference(backend, checkpoint, load());
  std::vector<token_list> prompts, captions;
  for (const auto name : data.tuning)
    prompts.push_back(reference->encode(data.names[static_cast<std::size_t>(name)], missing_words::leave_out));
  for (const auto& name : data.names) captions.push_back(towers.encode(name, missing_words::leave_out));
  std::vector<float> true_pictures;
  for (const auto i : data.training)
    true_pictures.insert(true_pictures.end(), data.picture(i).begin(), data.picture(i).end());

  const frechet_reward to_pictures(feature_set(std::ref(alignment), rows_of(true_pictures)), {.ridge = s.ridge}),
      to_texts(feature_set::of_texts(alignment, std::span<const token_list>(captions)), {.ridge = s.ridge});
  const vendi_reward variety;
  // Of a set, and what becomes of it without the pictures of one prompt.
  const auto features_of = [&](const examined& e) { return feature_set(std::ref(alignment), rows_of(e.pictures)); };
  const auto figures = [&](const feature_set& all, index_t without) {
    std::vector<float> kept;
    for (index_t i = 0; i < all.rows(); ++i)
      if (i / s.samples != without) kept.insert(kept.end(), all.view().row(i), all.view().row(i) + all.width());
    const matrix<const float> f{kept.data(), {static_cast<index_t>(kept.size()) / all.width(), all.width()}};
    return std::array{-to_pictures(f), -to_texts(f), variety(f)};
  };
  const feature_set features_before = features_of(before);
  // Differences with intervals of 95 % by a jackknife over prompts.
  const auto compare_sets = [&](const feature_set& after) {
    const auto before_all = figures(features_before, -1), after_all = figures(after, -1);
    const index_t n = after.rows() / s.samples;
    std::vector<std::array<double, 3>> left(static_cast<std::size_t>(n));
    for (index_t k = 0; k < n; ++k) {
      const auto x = figures(features_before, k), y = figures(after, k);
      for (std::size_t j = 0; j < 3; ++j) left[static_cast<std::size_t>(k)][j] = y[j] - x[j];
    }
    for (std::size_t j = 0; j < 3; ++j) {
      double mean = 0, squares = 0;
      for (const auto& of : left) mean += of[j] / static_cast<double>(n);
      for (const auto& of : left) squares += (of[j] - mean) * (of[j] - mean);
      const double half = 1.96 * std::sqrt(squares * static_cast<double>(n - 1) / static_cast<double>(n)),
                   more = after_all[j] - before_all[j];
      constexpr std::array names{"Frechet distance to pictures", "Frechet distance to texts", "Vendi score"};
      std::printf("  %-28s %.4f, from %.4f: %+.4f [%+.4f, %+.4f]\n", names[j], after_all[j], before_all[j], more,
                  more - half, more + half);
    }
  };

  std::vector<float> grid;
  const int columns = std::min(12, s.prompts);
  const auto show = [&](const examined& e) {
    for (int k = 0; k < columns; ++k)
      grid.insert(grid.end(), e.pictures.begin() + k * s.samples * emoji_data::picture_size,
                  e.pictures.begin() + (k * s.samples + 1) * emoji_data::picture_size);
  };
  show(before);
  const std::vector<float> times = text_to_emoji::times_for(4);
  for (const std::string& name : s.rewards) {
    const auto model = load();
    const auto train = [&](auto judge) {
      const auto begin = clock::now();
      auto trainer =
          dragon(backend, *model, consistency_sampler{.times = times}, prompts, std::move(judge),
                 preference_parts{.optimizer = adam{.learning_rate = s.learning_rate},
                                  .reference = frozen_reference(*reference),
                                  .link = logistic_link{.beta = s.beta}},
                 {.pairs = {.comparisons = s.pairs},
                  .steps = 4,
                  .update = {.training = {.schedule = {.warmup = s.updates / 8, .total = s.updates, .final = 0.1f},
                                          .seed = s.seed}}},
                 listed_times{times});
      while (trainer.index() < s.updates) {
        const preference_report r = trainer.update();
        if (trainer.index() % 8 == 0)
          std::fprintf(stderr, "%s: update %d, loss %.4f, accuracy %.2f, displaced %.2f\n", name.c_str(),
                       static_cast<int>(r.index), r.loss, r.accuracy, r.displaced);
      }
      return std::chrono::duration<double>(clock::now() - begin).count();
    };
    const double seconds = name == "instance"  ? train(reward_judge(std::ref(alignment)))
                           : name == "frechet" ? train(set_judge(std::ref(alignment), to_pictures))
                           : name == "text"    ? train(set_judge(std::ref(alignment), to_texts))
                                               : train(set_judge(std::ref(alignment), variety));
    const examined after = test.of(*text_to_emoji::make_painter(backend, model));
    std::printf("%s, %.0f s for %d updates\n", name.c_str(), seconds, s.updates);
    compare_sets(features_of(after));
    show(after);
    const auto won = [&](const char* judge, const std::vector<float>& ours, const std::vector<float>& theirs) {
      const win_rate w = win_rate_of(ours, theirs, test.cluster);
      std::vector<double> more;
      for (std::size_t i = 0; i < ours.size(); ++i)
        more.push_back(static_cast<double>(ours[i]) - static_cast<double>(theirs[i]));
      const mean_interval d = clustered_mean(more, test.cluster, 0.95);
      std::printf("  %-10s win rate %.1f %% [%.1f, %.1f], difference %+.4f [%+.4f, %+.4f]\n", judge, 100 * w.rate,
                  100 * w.low, 100 * w.high, d.mean, d.low, d.high);
    };
    won("nearness", after.near, before.near);
    won("taste", after.taste, before.taste);
    won("spread", after.spread, before.spread);
    std::fflush(stdout);
  }
  text_to_emoji::save_picture_grid(s.output, grid, columns, 2);
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app("Trains the text-to-emoji generator by rewards of sets of pictures, and has others judge it.");
  app.option_defaults()->always_capture_default();
  settings s;
  app.add_option("--rewards", s.rewards)->check(CLI::IsMember({"instance", "frechet", "text", "vendi"}));
  app.add_option("--output", s.output, "the picture: a row of the base, and one of each reward");
  app.add_option("--updates", s.updates);
  app.add_option("--pairs", s.pairs, "of an update");
  app.add_option("--learning-rate", s.learning_rate);
  app.add_option("--beta", s.beta);
  app.add_option("--ridge", s.ridge, "of the Frechet rewards; an update's sets are smaller than they are wide");
  app.add_option("--prompts", s.prompts, "names that are judged");
  app.add_option("--samples", s.samples, "pictures of each of them, at least 2");
  app.add_option("--seed", s.seed);
  app.add_option("--threads", s.threads, "0: all");
  return text_to_emoji::run_program("dragon", app, argc, argv, [&] { return run(s); });
}

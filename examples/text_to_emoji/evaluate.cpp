// SPDX-License-Identifier: Apache-2.0
#include "evaluation.hpp"
#include "option_checks.hpp"
#include "picture_size_reward.hpp"
#include "prompt_words.hpp"
#include "runtime.hpp"
#include "settings.hpp"

#include <fewstep/image/jpeg_reward.hpp>

#include <cmath>
#include <cstdio>
#include <string>
#include <vector>

namespace text_to_emoji {
namespace {

using fewstep::index_t;

/// Share of (sample, prompt of another sample) pairs where the prompt's name is among the sample's five nearest.
double chance(fewstep::cpu_backend& host, const rated_pictures& rated, std::span<const std::int32_t> names,
              const name_index& index) {
  const std::size_t count = rated.pictures.size() / picture_values, samples = count / names.size();
  std::vector<double> shares(count);
  host.parallel_for(static_cast<index_t>(count), [&](auto&, int, index_t i) {
    const auto at = static_cast<std::size_t>(i);
    const auto distances =
        index.distances(std::span<const float>(rated.pictures).subspan(at * picture_values, picture_values));
    for (std::size_t p = 0; p < names.size(); ++p)
      if (p != at / samples && name_index::is_near(distances, names[p]))
        shares[at] += 1.0 / static_cast<double>(names.size() - 1);
  });
  return mean(shares);
}

struct real_figures {
  double retrieval = 0, bytes = 0, diversity = 0;
};

/// The real pictures of the same names: each is compared with the pictures of the other styles only.
real_figures rate_real(fewstep::cpu_backend& host, const emoji_data& data, std::span<const std::int32_t> names,
                       const name_index& index) {
  real_figures real;
  double pictures_rated = 0;
  for (const std::int32_t name : names) {
    std::vector<float> pictures;
    for (std::size_t i = 0; i < data.captions.size(); ++i) {
      if (data.captions[i].name != name) continue;
      const auto picture = data.picture(static_cast<std::int32_t>(i));
      pictures.insert(pictures.end(), picture.begin(), picture.end());
      real.retrieval += name_index::is_near(index.distances(picture, data.captions[i].style), name) ? 1.0 : 0.0;
      pictures_rated += 1;
    }
    const std::vector<fewstep::token_list> no_contexts(pictures.size() / picture_values);
    const auto rated =
        rate(host, std::move(pictures), no_contexts, std::span(&name, 1), index, {picture_size_reward{}});
    real.bytes += rated.figures[bytes_figure][0] / static_cast<double>(names.size());
    real.diversity += rated.figures[diversity_figure][0] / static_cast<double>(names.size());
  }
  real.retrieval /= pictures_rated;
  return real;
}

}  // namespace

int evaluate(const evaluate_settings& s) {
  expect_at_least("--prompts", s.prompts, 2);
  expect_at_least("--samples", s.samples, 2);
  for (const int steps : s.steps) expect_between("--steps", steps, 1, 10000);
  expect_threads(s.threads);
  const auto data = emoji_data::load(s.data);
  fewstep::cpu_backend host({.threads = s.threads});
  const auto runtime = make_runtime(s.backend, s.threads);
  const auto model = runtime->load(s.checkpoint);
  const name_index index(data);
  std::vector<prompt_group> groups{{"names", "names of the data", {}, {}}};
  prompt_group& group = groups.front();
  for (std::size_t i = 0; i < static_cast<std::size_t>(s.prompts); ++i) {
    const std::size_t name = i * data.names.size() / static_cast<std::size_t>(s.prompts);
    group.names.push_back(static_cast<std::int32_t>(name));
    group.prompts.push_back(data.names[name]);
  }

  warn_of_left_out(model->words(), group.prompts);

  std::printf("%s: %d names x %d samples; JPEG bytes above the %td of a white picture\n\n", s.checkpoint.c_str(),
              s.prompts, s.samples, fewstep::jpeg_floor(emoji_data::side, emoji_data::side));
  std::printf("%-16s %16s %18s %12s %10s\n", "", "top-5 retrieval", "shuffled prompts", "JPEG bytes", "diversity");
  for (const int steps : s.steps) {
    const auto rated = evaluation_plan{.times = times_for(steps), .samples = s.samples}
                           .run(host, *model, groups, index, {picture_size_reward{.threads = host.threads()}})
                           .front();
    std::printf("%-16s %14.1f %% %16.1f %% %12.1f %10.4f\n",
                fewstep::message(steps, steps == 1 ? " step" : " steps").c_str(),
                100 * mean(rated.figures[retrieval_figure]), 100 * chance(host, rated, group.names, index),
                mean(rated.figures[bytes_figure]), mean(rated.figures[diversity_figure]));
    std::fflush(stdout);
  }
  const auto real = rate_real(host, data, group.names, index);
  std::printf("%-16s %14.1f %% %16s   %12.1f %10.4f\n", "real pictures", 100 * real.retrieval, "", real.bytes,
              real.diversity);
  std::printf(
      "\nReal pictures are looked for among those of the other styles, which hold the same name in another "
      "drawing.\n");
  return 0;
}

}  // namespace text_to_emoji

// SPDX-License-Identifier: Apache-2.0
#include "artist.hpp"
#include "figures.hpp"
#include "settings.hpp"
#include "small_data.hpp"
#include "text_to_emoji/option_checks.hpp"

#include <fewstep/core/error.hpp>
#include <fewstep/image/jpeg_reward.hpp>
#include <fewstep/io/file.hpp>

#include <chrono>
#include <cstdio>
#include <numeric>

namespace paper {
namespace {

/// The figures of the real pictures of these names, looked for among those of the other styles.
figures rate_real(fewstep::cpu_backend& host, const emoji_data& data, std::span<const std::int32_t> names,
                  const text_to_emoji::name_index& index, std::size_t values) {
  figures mean;
  double near = 0, count = 0;
  for (const std::int32_t name : names) {
    std::vector<float> pictures;
    for (std::size_t i = 0; i < data.captions.size(); ++i) {
      if (data.captions[i].name != name) continue;
      const auto picture = data.picture(static_cast<std::int32_t>(i));
      pictures.resize(pictures.size() + values);
      reduce(picture, std::span(pictures).last(values));
      near += text_to_emoji::name_index::is_near(index.distances(picture, data.captions[i].style), name) ? 1 : 0;
      count += 1;
    }
    const auto samples = static_cast<int>(pictures.size() / values);
    const examination one{.names = {name}, .samples = samples};
    const figures f = one.rate(host, as_rows(pictures, one.count()), index);
    mean.bytes += f.bytes / static_cast<double>(names.size());
    mean.diversity += f.diversity / static_cast<double>(names.size());
  }
  mean.retrieval = near / count;
  return mean;
}

void print(const std::string& name, const figures& f, double milliseconds) {
  std::printf("%-40s %12.1f %14.1f %% %10.4f", name.c_str(), f.bytes, 100 * f.retrieval, f.diversity);
  if (milliseconds > 0) std::printf(" %12.2f", milliseconds);
  std::printf("\n");
  std::fflush(stdout);
}

}  // namespace

int evaluate(const evaluate_settings& s) {
  text_to_emoji::expect_at_least("--prompts", s.prompts, 2);
  text_to_emoji::expect_at_least("--samples", s.samples, 2);
  text_to_emoji::expect_threads(s.threads);
  const auto data = emoji_data::load(s.data);
  fewstep::cpu_backend host({.threads = s.threads});
  const text_to_emoji::name_index index(data);
  std::vector<std::int32_t> all(data.names.size());
  std::iota(all.begin(), all.end(), 0);
  const examination exam{.names = some_of(all, s.prompts), .samples = s.samples};
  if (!s.output.empty()) fewstep::require_writable_directory(s.output);

  const fewstep::index_t values = load_artist(host, s.models, {})->sample_size(), side = side_of(values);
  std::printf("%td x %td pixels, %zu names x %d pictures; JPEG bytes above the %td of a blank picture; %d threads\n\n",
              side, side, exam.names.size(), s.samples, fewstep::jpeg_floor(side, side), host.threads());
  std::printf("%-40s %12s %16s %10s %12s\n", "", "JPEG bytes", "top-5 retrieval", "diversity", "ms a picture");
  const std::vector<drawing> ways{{.steps = 1},
                                  {.steps = 2},
                                  {.steps = 4},
                                  {.steps = 8},
                                  {.by_denoiser = true, .steps = 50},
                                  {.by_denoiser = true, .steps = 50, .guidance = 2},
                                  {.by_denoiser = true, .steps = 50, .guidance = 3},
                                  {.by_denoiser = true, .steps = 50, .guidance = 5}};
  for (std::size_t i = 0; i < ways.size(); ++i) {
    const auto a = load_artist(host, s.models, ways[i]);
    const auto begin = std::chrono::steady_clock::now();
    const auto pictures = exam.draw(*a, data);
    const std::chrono::duration<double, std::milli> taken = std::chrono::steady_clock::now() - begin;
    print(name_of(ways[i]), exam.rate(host, as_rows(pictures, exam.count()), index),
          taken.count() / static_cast<double>(exam.names.size()) / s.samples);
    if (!s.output.empty()) {
      const std::size_t shown = std::min<std::size_t>(exam.names.size(), 12) * static_cast<std::size_t>(s.samples);
      save_grid(s.output / fewstep::message("pictures-", i, ".png"),
                as_rows(std::span(pictures).first(shown * static_cast<std::size_t>(values)), shown), s.samples, 3);
    }
  }
  print("real pictures", rate_real(host, data, exam.names, index, static_cast<std::size_t>(values)), 0);
  return 0;
}

}  // namespace paper

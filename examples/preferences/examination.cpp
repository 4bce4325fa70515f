// SPDX-License-Identifier: Apache-2.0
#include "examination.hpp"

#include "../text_to_emoji/drawing.hpp"
#include "../text_to_emoji/evaluation.hpp"
#include "training.hpp"

#include <fewstep/log/metrics_csv.hpp>
#include <fewstep/monitor/bootstrap.hpp>
#include <fewstep/monitor/win_rate.hpp>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdio>
#include <span>

namespace preferences {
namespace {

using fewstep::index_t;
using text_to_emoji::emoji_data;

constexpr auto picture_values = static_cast<std::size_t>(emoji_data::picture_size);

/// One figure of both models.
struct compared {
  double before, after, difference, half_width;
  fewstep::win_rate won;

  compared(std::vector<float> old_values, std::vector<float> new_values, bool more_is_better,
           std::span<const std::int32_t> name) {
    const auto of = [&](std::span<const float> values) {
      return fewstep::clustered_mean(std::vector<double>(values.begin(), values.end()), name).mean;
    };
    before = of(old_values), after = of(new_values);
    std::vector<double> more;
    for (std::size_t i = 0; i < name.size(); ++i)
      more.push_back(static_cast<double>(new_values[i]) - static_cast<double>(old_values[i]));
    const auto found = fewstep::clustered_mean(more, name);
    difference = found.mean, half_width = found.high - found.mean;
    if (!more_is_better) std::swap(old_values, new_values);
    won = fewstep::win_rate_of(new_values, old_values, name);
  }
};

float root_mean_square(std::span<const float> a, std::span<const float> b) {
  double sum = 0;
  for (std::size_t i = 0; i < a.size(); ++i) sum += std::pow(static_cast<double>(a[i]) - static_cast<double>(b[i]), 2);
  return static_cast<float>(std::sqrt(sum / static_cast<double>(a.size())));
}

}  // namespace

examination::examination(fewstep::cpu_backend& host, const settings& s, const emoji_data& data,
                         const fewstep::vocabulary& words)
    : host_(&host),
      samples_(s.samples),
      index_(data),
      judge_(text_to_emoji::make_reward("preference", s.judge, words, host.threads())),
      alignment_(text_to_emoji::make_reward("alignment", s.two_tower, words, host.threads())) {
  const auto group = text_to_emoji::evaluation_groups(data, s.prompts).front();
  prompts_ = group.prompts;
  for (const std::int32_t name : group.names) name_.insert(name_.end(), static_cast<std::size_t>(samples_), name);
}

examined examination::of(text_to_emoji::painter& artist) const {
  std::vector<fewstep::token_list> contexts;
  for (const std::string& prompt : prompts_)
    contexts.insert(contexts.end(), static_cast<std::size_t>(samples_), artist.encode(prompt));
  examined made{artist.draw(contexts, text_to_emoji::times_for(4), 20240403), {}};
  const std::size_t count = contexts.size(), samples = static_cast<std::size_t>(samples_);
  const fewstep::matrix<const float> rows{made.pictures.data(),
                                          {static_cast<index_t>(count), emoji_data::picture_size}};
  for (auto& figure : made.figures) figure.resize(count);
  judge_(rows, contexts, made.figures[0]);
  rule(rows, std::span<const fewstep::token_list>(contexts), std::span(made.figures[1]));
  alignment_(rows, contexts, made.figures[2]);
  const auto picture = [&](std::size_t i) {
    return std::span<const float>(made.pictures).subspan(i * picture_values, picture_values);
  };
  host_->parallel_for(static_cast<index_t>(count), [&](auto&, int, index_t row) {
    const auto i = static_cast<std::size_t>(row), first = i / samples * samples;
    const auto distances = index_.distances(picture(i));
    made.figures[3][i] = text_to_emoji::name_index::is_near(distances, name_[i]) ? 1.0f : 0.0f;
    made.figures[4][i] = std::sqrt(*std::ranges::min_element(distances) / static_cast<float>(picture_values / 4));
    for (std::size_t other = first; other < first + samples; ++other)
      made.figures[5][i] += root_mean_square(picture(i), picture(other)) / static_cast<float>(samples - 1);
  });
  return made;
}

std::string examination::table(const examined& before, const examined& after) const {
  std::array<char, 160> line{};
  std::string text;
  const auto add = [&](const auto&... values) {
    std::snprintf(line.data(), line.size(), values...);
    text += line.data();
  };
  add("%zu names that no pair is of, %d pictures each\n", prompts_.size(), samples_);
  add("%-26s %8s %8s   %-19s   %s\n", "", "base", "after", "difference (95 %)", "better than the base (95 %)");
  for (std::size_t k = 0; k < figure_names.size(); ++k) {
    const compared c(before.figures[k], after.figures[k], more_is_better[k], name_);
    add("%-26s %8.3f %8.3f   %+.3f +- %-8.3f   %5.1f %% (%.1f to %.1f)%s\n", figure_names[k], c.before, c.after,
        c.difference, c.half_width, 100 * c.won.rate, 100 * c.won.low, 100 * c.won.high, c.won.is_won() ? " won" : "");
  }
  return text;
}

std::string examination::csv(const examined& before, const examined& after) const {
  std::string text = "figure,before,after,difference,half_width_95,win_rate,low_95,high_95,ties\n";
  for (std::size_t k = 0; k < figure_names.size(); ++k) {
    const compared c(before.figures[k], after.figures[k], more_is_better[k], name_);
    text += figure_names[k];
    for (const double value :
         {c.before, c.after, c.difference, c.half_width, c.won.rate, c.won.low, c.won.high, c.won.ties}) {
      text += ',';
      fewstep::append_number(text, value);
    }
    text += '\n';
  }
  return text;
}

}  // namespace preferences

// SPDX-License-Identifier: Apache-2.0
#include "evaluation.hpp"

#include <fewstep/image/jpeg_reward.hpp>
#include <fewstep/log/metrics_csv.hpp>

#include <nlohmann/json.hpp>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <numeric>

namespace text_to_emoji {
namespace {

using fewstep::index_t;

/// The first `count` of 0 .. n-1 in an order that never changes.
std::vector<std::size_t> fixed_choice(std::size_t n, int count, std::uint32_t purpose) {
  const fewstep::random_stream source{20240403, fewstep::stream::evaluation};
  std::vector<std::size_t> order(n);
  std::iota(order.begin(), order.end(), std::size_t{0});
  for (std::size_t i = n; i > 1; --i)
    std::swap(order[i - 1], order[source.below(static_cast<std::uint32_t>(i), i, purpose)]);
  order.resize(std::min(n, static_cast<std::size_t>(count)));
  return order;
}

/// 97.5 % quantile of Student's t (Abramowitz and Stegun 26.7.5), good to 1 % from 3 degrees of freedom on.
double t_quantile(double degrees) {
  constexpr double z = 1.959963984540054;
  const double z3 = z * z * z, z5 = z3 * z * z;
  return z + (z3 + z) / (4 * degrees) + (5 * z5 + 16 * z3 + 3 * z) / (96 * degrees * degrees);
}

double distance(std::span<const float> a, std::span<const float> b) {
  double sum = 0;
  for (std::size_t i = 0; i < a.size(); ++i)
    sum += (static_cast<double>(a[i]) - static_cast<double>(b[i])) *
           (static_cast<double>(a[i]) - static_cast<double>(b[i]));
  return std::sqrt(sum / static_cast<double>(a.size()));
}

std::string number(std::size_t which, double value, bool with_sign = false) {
  std::array<char, 32> text{};
  const char* formats[][2] = {{"%.4f", "%+.4f"}, {"%.1f", "%+.1f"}, {"%.1f %%", "%+.1f %%"},
                              {"%.4f", "%+.4f"}, {"%.4f", "%+.4f"}, {"%.4f", "%+.4f"}};
  std::snprintf(text.data(), text.size(), formats[which][with_sign ? 1 : 0],
                which == retrieval_figure ? 100 * value : value);
  return text.data();
}

}  // namespace

double mean(std::span<const double> values) {
  double sum = 0;
  for (const double value : values) sum += value;
  return sum / static_cast<double>(values.size());
}

std::vector<prompt_group> evaluation_groups(const emoji_data& data, int prompts) {
  prompt_group held_back{"held_back", "names of pretraining that the fine-tuning never saw", {}, {}};
  prompt_group tuning{"tuning", "names that the fine-tuning was done with", {}, {}};
  prompt_group unseen{"unseen", "(style, name) pairs that neither has seen", {}, {}};
  const auto add_names = [&](prompt_group& group, const std::vector<std::int32_t>& names, std::uint32_t purpose) {
    for (const std::size_t i : fixed_choice(names.size(), prompts, purpose)) {
      group.names.push_back(names[i]);
      group.prompts.push_back(data.names[static_cast<std::size_t>(names[i])]);
    }
  };
  add_names(held_back, data.held_back, 0);
  add_names(tuning, data.tuning, 1);
  for (const std::size_t i : fixed_choice(data.unseen.size(), prompts, 2)) {
    const caption& c = data.captions[static_cast<std::size_t>(data.unseen[i])];
    unseen.names.push_back(c.name);
    unseen.prompts.push_back(c.style + " " + data.names[static_cast<std::size_t>(c.name)]);
  }
  return {std::move(held_back), std::move(tuning), std::move(unseen)};
}

rated_pictures rate(fewstep::cpu_backend& host, std::vector<float> pictures,
                    std::span<const fewstep::token_list> contexts, std::span<const std::int32_t> names,
                    const name_index& index, const picture_rewards& rewards) {
  rated_pictures rated{std::move(pictures), {}};
  const std::size_t count = rated.pictures.size() / picture_values, samples = count / names.size();
  const fewstep::matrix<const float> rows{rated.pictures.data(),
                                          {static_cast<index_t>(count), emoji_data::picture_size}};
  const auto picture = [&](std::size_t i) {
    return std::span<const float>(rated.pictures).subspan(i * picture_values, picture_values);
  };

  std::vector<index_t> bytes(count);
  fewstep::jpeg_byte_counts(rows, bytes, {.threads = host.threads()});
  const auto floor = static_cast<double>(fewstep::jpeg_floor(emoji_data::side, emoji_data::side));
  std::vector<double> is_near(count);
  host.parallel_for(static_cast<index_t>(count), [&](auto&, int, index_t i) {
    const auto at = static_cast<std::size_t>(i);
    is_near[at] = name_index::is_near(index.distances(picture(at)), names[at / samples]) ? 1.0 : 0.0;
  });

  const auto rate_by = [&](const emoji_reward& reward, std::size_t which) {
    if (!reward) return;
    std::vector<float> values(count);
    reward(rows, contexts, values);
    auto& of_prompts = rated.figures[which];
    of_prompts.assign(names.size(), 0.0);
    for (std::size_t i = 0; i < count; ++i)
      of_prompts[i / samples] += static_cast<double>(values[i]) / static_cast<double>(samples);
  };
  rate_by(rewards.reward, reward_figure);
  rate_by(rewards.alignment, alignment_figure);
  rate_by(rewards.preference, preference_figure);

  for (const figure which : {bytes_figure, retrieval_figure, diversity_figure})
    rated.figures[which].assign(names.size(), 0.0);
  auto &of_bytes = rated.figures[bytes_figure], &of_retrieval = rated.figures[retrieval_figure],
       &of_diversity = rated.figures[diversity_figure];
  for (std::size_t p = 0; p < names.size(); ++p) {
    for (std::size_t i = p * samples; i < (p + 1) * samples; ++i) {
      of_bytes[p] += (static_cast<double>(bytes[i]) - floor) / static_cast<double>(samples);
      of_retrieval[p] += is_near[i] / static_cast<double>(samples);
      for (std::size_t j = p * samples; j < i; ++j)
        of_diversity[p] += distance(picture(i), picture(j)) / static_cast<double>(samples * (samples - 1) / 2);
    }
  }
  return rated;
}

std::vector<rated_pictures> evaluation_plan::run(fewstep::cpu_backend& host, painter& artist,
                                                 std::span<const prompt_group> groups, const name_index& index,
                                                 const picture_rewards& rewards) const {
  std::vector<rated_pictures> results;
  std::uint64_t first = 0;
  for (const prompt_group& group : groups) {
    std::vector<fewstep::token_list> contexts;
    for (const std::string& prompt : group.prompts)
      contexts.insert(contexts.end(), static_cast<std::size_t>(samples), artist.encode(prompt));
    results.push_back(rate(host, artist.draw(contexts, times, seed, first), contexts, group.names, index, rewards));
    first += std::uint64_t{1} << 32;
  }
  return results;
}

std::vector<compared_figure> compare(std::span<const prompt_group> groups, std::span<const rated_pictures> before,
                                     std::span<const rated_pictures> after) {
  std::vector<compared_figure> figures;
  for (std::size_t g = 0; g < groups.size(); ++g)
    for (std::size_t which = 0; which < figure_names.size(); ++which) {
      const auto &old_values = before[g].figures[which], &new_values = after[g].figures[which];
      if (old_values.empty()) continue;
      const auto n = static_cast<double>(old_values.size());
      std::vector<double> differences;
      for (std::size_t p = 0; p < old_values.size(); ++p) differences.push_back(new_values[p] - old_values[p]);
      const double difference = mean(differences);
      double squares = 0;
      for (const double d : differences) squares += (d - difference) * (d - difference);
      const double half_width = n > 1 ? t_quantile(n - 1) * std::sqrt(squares / (n - 1) / n) : NAN;
      figures.push_back({&groups[g], which, mean(old_values), mean(new_values), difference, half_width});
    }
  return figures;
}

std::string as_table(std::span<const compared_figure> figures) {
  std::array<char, 256> line{};
  std::string text;
  const prompt_group* group = nullptr;
  for (const auto& f : figures) {
    if (f.group != group) {
      group = f.group;
      std::snprintf(line.data(), line.size(), "\n%s, %zu prompts: %s\n  %-28s %12s %12s   %s\n", group->name.c_str(),
                    group->prompts.size(), group->description.c_str(), "", "before", "after", "difference (95 %)");
      text += line.data();
    }
    std::snprintf(line.data(), line.size(), "  %-28s %12s %12s   %s +- %s\n", figure_names[f.which],
                  number(f.which, f.before).c_str(), number(f.which, f.after).c_str(),
                  number(f.which, f.difference, true).c_str(), number(f.which, f.half_width).c_str());
    text += line.data();
  }
  return text;
}

std::string as_csv(std::span<const compared_figure> figures) {
  std::string text = "group,figure,prompts,before,after,difference,half_width_95\n";
  for (const auto& f : figures) {
    text += f.group->name + "," + figure_names[f.which] + "," + std::to_string(f.group->prompts.size());
    for (const double value : {f.before, f.after, f.difference, f.half_width}) {
      text += ',';
      fewstep::append_number(text, value);
    }
    text += '\n';
  }
  return text;
}

std::string as_json(std::span<const compared_figure> figures) {
  nlohmann::ordered_json groups;
  for (const auto& f : figures) {
    auto& group = groups[f.group->name];
    group["description"] = f.group->description;
    group["prompts"] = f.group->prompts;
    group[figure_names[f.which]] = {
        {"before", f.before}, {"after", f.after}, {"difference", f.difference}, {"half_width_95", f.half_width}};
  }
  return groups.dump(2) + "\n";
}

std::string warnings(std::span<const compared_figure> figures, double kl) {
  std::string text;
  for (const auto& f : figures) {
    const bool is_guarded = f.which == retrieval_figure || f.which == diversity_figure;
    if (f.group != figures.front().group || !is_guarded || f.after > 0.75 * f.before) continue;
    text += fewstep::message("\nWARNING: ", figure_names[f.which], " on the ", f.group->name, " prompts fell from ",
                             number(f.which, f.before), " to ", number(f.which, f.after),
                             ", by a quarter or more: the reward was gained by giving up what the prompts ask for"
                             " or what makes pictures differ.\nRemedy: a larger --kl (it was ",
                             kl, "), fewer --updates or a smaller --learning-rate.\n");
  }
  return text;
}

}  // namespace text_to_emoji

// SPDX-License-Identifier: Apache-2.0
#include "figures.hpp"

#include <fewstep/image/jpeg_reward.hpp>
#include <fewstep/image/picture_grid.hpp>
#include <fewstep/image/png.hpp>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>

namespace paper {
namespace {

using fewstep::index_t;
constexpr auto values = static_cast<std::size_t>(picture_size);

double distance(std::span<const float> a, std::span<const float> b) {
  double sum = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    const double difference = static_cast<double>(a[i]) - static_cast<double>(b[i]);
    sum += difference * difference;
  }
  return std::sqrt(sum / static_cast<double>(a.size()));
}

fewstep::matrix<const float> as_rows(std::span<const float> pictures) {
  return {pictures.data(), {static_cast<index_t>(pictures.size() / values), picture_size}};
}

}  // namespace

double retrieval(fewstep::cpu_backend& host, std::span<const float> pictures, std::span<const std::int32_t> names,
                 int samples, const text_to_emoji::name_index& index) {
  const std::size_t of_name = static_cast<std::size_t>(samples), count = names.size() * of_name;
  std::vector<char> is_near(count);
  host.parallel_for(static_cast<index_t>(count), [&](auto&, int, index_t i) {
    const auto at = static_cast<std::size_t>(i);
    std::array<float, values> picture{};
    std::transform(pictures.begin() + i * picture_size, pictures.begin() + (i + 1) * picture_size, picture.begin(),
                   [](float value) { return std::clamp(value, -1.0f, 1.0f); });
    std::array<float, static_cast<std::size_t>(emoji_data::picture_size)> large{};
    redouble(picture, large);
    is_near[at] = text_to_emoji::name_index::is_near(index.distances(large), names[at / of_name]) ? 1 : 0;
  });
  return static_cast<double>(std::count(is_near.begin(), is_near.end(), 1)) / static_cast<double>(count);
}

std::vector<std::int32_t> some_of(std::span<const std::int32_t> names, int count) {
  const std::size_t n = std::min(names.size(), static_cast<std::size_t>(count));
  std::vector<std::int32_t> some;
  for (std::size_t i = 0; i < n; ++i) some.push_back(names[i * names.size() / n]);
  return some;
}

std::vector<float> examination::draw(artist& a, const emoji_data& data) const {
  std::vector<fewstep::token_list> contexts;
  for (const std::int32_t name : names)
    contexts.insert(contexts.end(), static_cast<std::size_t>(samples),
                    a.encode(data.names[static_cast<std::size_t>(name)]));
  return a.draw(contexts, seed, 0);
}

figures examination::judge(fewstep::cpu_backend& host, std::span<const float> pictures,
                           const text_to_emoji::name_index& index) const {
  const std::size_t of_name = static_cast<std::size_t>(samples), count = names.size() * of_name;
  const auto picture = [&](std::size_t i) { return pictures.subspan(i * values, values); };
  std::vector<index_t> bytes(count);
  fewstep::jpeg_byte_counts(as_rows(pictures), bytes, {.threads = host.threads()});
  figures mean{.bytes = -static_cast<double>(fewstep::jpeg_floor(side, side)),
               .retrieval = paper::retrieval(host, pictures, names, samples, index)};
  const double pairs = static_cast<double>(names.size() * of_name * (of_name - 1) / 2);
  for (std::size_t i = 0; i < count; ++i) {
    mean.bytes += static_cast<double>(bytes[i]) / static_cast<double>(count);
    for (std::size_t j = i - i % of_name; j < i; ++j) mean.diversity += distance(picture(i), picture(j)) / pairs;
  }
  return mean;
}

void save_grid(const std::filesystem::path& path, std::span<const float> pictures, int columns, int scale) {
  fewstep::save_png(
      path, fewstep::picture_grid(as_rows(pictures), side, side, columns, {.padding = 2 * scale, .scale = scale}));
}

}  // namespace paper

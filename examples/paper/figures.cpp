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

double distance(std::span<const float> a, std::span<const float> b) {
  double sum = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    const double difference = static_cast<double>(a[i]) - static_cast<double>(b[i]);
    sum += difference * difference;
  }
  return std::sqrt(sum / static_cast<double>(a.size()));
}

}  // namespace

fewstep::matrix<const float> as_rows(std::span<const float> pictures, std::size_t count) {
  return {pictures.data(), {static_cast<index_t>(count), static_cast<index_t>(pictures.size() / count)}};
}

double retrieval(fewstep::cpu_backend& host, fewstep::matrix<const float> pictures, std::span<const std::int32_t> names,
                 int samples, const text_to_emoji::name_index& index) {
  std::vector<char> is_near(static_cast<std::size_t>(pictures.rows()));
  host.parallel_for(pictures.rows(), [&](auto&, int, index_t i) {
    std::array<float, static_cast<std::size_t>(emoji_data::picture_size)> large{};
    enlarge({pictures.row(i), static_cast<std::size_t>(pictures.cols())}, large);
    for (float& value : large) value = std::clamp(value, -1.0f, 1.0f);
    const std::int32_t name = names[static_cast<std::size_t>(i / samples)];
    is_near[static_cast<std::size_t>(i)] = text_to_emoji::name_index::is_near(index.distances(large), name) ? 1 : 0;
  });
  return static_cast<double>(std::count(is_near.begin(), is_near.end(), 1)) / static_cast<double>(pictures.rows());
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

figures examination::rate(fewstep::cpu_backend& host, fewstep::matrix<const float> pictures,
                          const text_to_emoji::name_index& index) const {
  const std::size_t of_name = static_cast<std::size_t>(samples);
  const index_t side = side_of(pictures.cols());
  const auto picture = [&](std::size_t i) {
    return std::span(pictures.row(static_cast<index_t>(i)), static_cast<std::size_t>(pictures.cols()));
  };
  std::vector<index_t> bytes(count());
  fewstep::jpeg_byte_counts(pictures, bytes, {.threads = host.threads()});
  figures mean{.bytes = -static_cast<double>(fewstep::jpeg_floor(side, side)),
               .retrieval = paper::retrieval(host, pictures, names, samples, index)};
  const double pairs = static_cast<double>(names.size() * of_name * (of_name - 1) / 2);
  for (std::size_t i = 0; i < count(); ++i) {
    mean.bytes += static_cast<double>(bytes[i]) / static_cast<double>(count());
    for (std::size_t j = i - i % of_name; j < i; ++j) mean.diversity += distance(picture(i), picture(j)) / pairs;
  }
  return mean;
}

void save_grid(const std::filesystem::path& path, fewstep::matrix<const float> pictures, int columns, int scale) {
  const index_t side = side_of(pictures.cols());
  fewstep::save_png(path, fewstep::picture_grid(pictures, side, side, columns, {.padding = 2 * scale, .scale = scale}));
}

}  // namespace paper

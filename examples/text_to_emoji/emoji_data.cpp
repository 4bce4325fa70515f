// SPDX-License-Identifier: Apache-2.0
#include "emoji_data.hpp"

#include <fewstep/core/error.hpp>
#include <fewstep/io/crc32c.hpp>
#include <fewstep/io/text_lines.hpp>

#include <algorithm>
#include <map>
#include <numeric>
#include <sstream>
#include <stdexcept>

namespace text_to_emoji {
namespace {

using fewstep::index_t;
using fewstep::message;

std::vector<std::string> lines_of(const std::filesystem::path& path) {
  return fewstep::text_lines(path, "the folder of the emoji data");
}

/// 0 .. n-1 in an order that depends on nothing but the purpose: the division of the data is part of the experiment and
/// does not change with a run's seed.
std::vector<std::int32_t> fixed_order(std::size_t n, std::uint32_t purpose) {
  const fewstep::random_stream source{20240403, fewstep::stream::shuffle};
  std::vector<std::int32_t> order(n);
  std::iota(order.begin(), order.end(), 0);
  for (std::size_t i = n; i > 1; --i)
    std::swap(order[i - 1], order[source.below(static_cast<std::uint32_t>(i), i, purpose)]);
  return order;
}

std::vector<caption> read_captions(const std::filesystem::path& path, std::vector<std::string>& names) {
  const auto lines = lines_of(path);
  std::map<std::string, std::int32_t> numbers;
  std::vector<caption> captions;
  for (const std::string& line : std::span(lines).subspan(std::min<std::size_t>(1, lines.size()))) {
    std::istringstream fields(line);
    std::string index, style, category, name;
    std::getline(fields, index, '\t');
    std::getline(fields, style, '\t');
    std::getline(fields, category, '\t');
    std::getline(fields, name, '\t');
    if (name.empty() || index != std::to_string(captions.size()))
      throw std::runtime_error(message(path.string(), ": line ", captions.size() + 2,
                                       " is not 'index, style, category, name' in order, separated by tabs: ", line));
    const auto [entry, is_new] = numbers.emplace(name, static_cast<std::int32_t>(names.size()));
    if (is_new) names.push_back(name);
    captions.push_back({entry->second, style, category});
  }
  return captions;
}

std::vector<float> read_pictures(const std::filesystem::path& path, std::size_t count) {
  const auto atlas = fewstep::load_png(path);
  const index_t columns = atlas.width / emoji_data::side, rows = atlas.height / emoji_data::side;
  if (columns * rows < static_cast<index_t>(count))
    throw std::runtime_error(message(path.string(), ": has room for ", columns * rows,
                                     " pictures of 32 x 32, but there are ", count, " captions"));
  std::vector<float> pictures;
  pictures.reserve(count * static_cast<std::size_t>(emoji_data::picture_size));
  for (index_t i = 0; i < static_cast<index_t>(count); ++i)
    for (index_t y = 0; y < emoji_data::side; ++y) {
      const index_t first = ((i / columns * emoji_data::side + y) * atlas.width + i % columns * emoji_data::side) * 3;
      for (index_t j = 0; j < emoji_data::side * 3; ++j)
        pictures.push_back(static_cast<float>(atlas.pixels[static_cast<std::size_t>(first + j)]) / 127.5f - 1.0f);
    }
  return pictures;
}

}  // namespace

emoji_data emoji_data::load(const std::filesystem::path& folder) {
  emoji_data data;
  data.captions = read_captions(folder / "captions.tsv", data.names);
  data.pictures = read_pictures(folder / "emoji32.png", data.captions.size());
  data.words = fewstep::vocabulary(lines_of(folder / "vocabulary.txt"));

  constexpr std::size_t tuning_names = 360, names_with_unseen_style = 90;
  if (data.names.size() <= tuning_names)
    throw std::runtime_error(message((folder / "captions.tsv").string(), ": ", data.names.size(),
                                     " names; the division needs more than ", tuning_names));
  const auto order = fixed_order(data.names.size(), 0);
  data.tuning.assign(order.begin(), order.begin() + tuning_names);
  data.held_back.assign(order.begin() + tuning_names, order.end());
  std::sort(data.tuning.begin(), data.tuning.end());
  std::sort(data.held_back.begin(), data.held_back.end());

  const auto with_unseen = fixed_order(data.names.size(), 1);
  std::vector<bool> is_unseen(data.captions.size());
  const fewstep::random_stream source{20240403, fewstep::stream::data};
  for (std::size_t i = 0; i < names_with_unseen_style; ++i) {
    std::vector<std::size_t> of_name;
    for (std::size_t j = 0; j < data.captions.size(); ++j)
      if (data.captions[j].name == with_unseen[i]) of_name.push_back(j);
    if (of_name.size() > 1) is_unseen[of_name[source.below(static_cast<std::uint32_t>(of_name.size()), i)]] = true;
  }
  for (std::size_t j = 0; j < data.captions.size(); ++j)
    (is_unseen[j] ? data.unseen : data.training).push_back(static_cast<std::int32_t>(j));
  return data;
}

std::uint32_t emoji_data::checksum() const {
  std::uint32_t sum = fewstep::crc32c(std::as_bytes(std::span(pictures)));
  const auto add = [&](const std::string& text) {  // with the zero at its end, which no text has
    sum = fewstep::crc32c(std::as_bytes(std::span(text.c_str(), text.size() + 1)), sum);
  };
  for (const caption& c : captions) {
    add(names[static_cast<std::size_t>(c.name)]);
    add(c.style);
    add(c.category);
  }
  for (const std::string& word : words.words()) add(word);
  return sum;
}

void emoji_examples::operator()(std::int64_t step, fewstep::matrix<float> x,
                                std::span<fewstep::token_list> contexts) const {
  const auto batch = static_cast<std::int64_t>(contexts.size());
  for (std::int64_t i = 0; i < batch; ++i) {
    const auto sample = static_cast<std::uint64_t>(step * batch + i);
    std::uint64_t draws = 0;
    const auto chance = [&](float probability) { return source_.uniform(sample, 1, draws++) <= probability; };

    const auto index = data_->training[source_.below(static_cast<std::uint32_t>(data_->training.size()), sample)];
    const bool mirrored = chance(0.5f);
    const auto picture = data_->picture(index);
    constexpr index_t side = emoji_data::side;
    for (index_t pixel = 0; pixel < side * side; ++pixel) {
      const index_t from = mirrored ? pixel / side * side + (side - 1 - pixel % side) : pixel;
      for (index_t c = 0; c < 3; ++c) x(i, pixel * 3 + c) = picture[static_cast<std::size_t>(from * 3 + c)];
    }

    const caption& c = data_->captions[static_cast<std::size_t>(index)];
    fewstep::token_list tokens;
    std::size_t used = 0;
    const bool no_caption = chance(0.1f);
    const auto keep = [&](const std::string& word, float dropped) {
      const bool is_dropped = chance(dropped) || no_caption;
      if (!is_dropped && used < tokens.ids.size()) tokens.ids[used++] = data_->words.token(word);
    };
    keep(c.style, 0.4f);
    keep(c.category, 0.5f);
    for (const auto& word : fewstep::vocabulary::split(data_->names[static_cast<std::size_t>(c.name)]))
      keep(word, 0.1f);
    contexts[static_cast<std::size_t>(i)] = tokens;
  }
}

}  // namespace text_to_emoji

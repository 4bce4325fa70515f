// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fewstep/core/error.hpp>
#include <fewstep/core/view.hpp>
#include <fewstep/image/picture_file.hpp>
#include <fewstep/image/rgb.hpp>
#include <fewstep/pair_file/pair_table.hpp>
#include <fewstep/preference/pair_records.hpp>

#include <cstddef>
#include <exception>
#include <filesystem>
#include <stdexcept>
#include <string>
#include <vector>

namespace fewstep {

struct picture_pairs_options {
  std::filesystem::path folder{};  ///< where the pictures' names begin; empty: the folder of the CSV file
  picture_size size{};             ///< of the pictures that the model makes; none: that of the first one
  picture_limits limits{};
};

/// Pairs of pictures from a CSV file, whose columns pair_table says, and the PNG and JPEG files that it names: samples
/// [H, W, 3] in [-1, 1] for recorded_pairs, with their prompts.
///
///   auto records = with_contexts(picture_pairs("pairs.csv"), [&](const std::string& s) { return
///   words.encode(s).tokens; }); diffusion_dpo(backend, model, recorded_pairs(std::move(records), model.sample_size()),
///   parts);
///
/// Throws std::runtime_error naming the CSV's line, the column and the picture where that is missing, damaged or of
/// another size, and what pair_table throws, before any picture is read.
[[nodiscard]] inline pair_records<std::string> picture_pairs(const std::filesystem::path& csv,
                                                             const picture_pairs_options& o = {}) {
  const pair_table table = pair_table::load(csv);
  const std::filesystem::path folder = o.folder.empty() ? csv.parent_path() : o.folder;
  pair_records<std::string> records{{}, {}, {}, table.labels()};
  picture_size size = o.size;
  for (std::size_t pair = 0; pair < table.pairs(); ++pair) {
    for (std::size_t m = 0; m < 2; ++m) try {
        const rgb_image picture = load_picture(folder / table.member(pair, m), o.limits);
        if (size == picture_size{}) size = {picture.height, picture.width};
        if (size != picture_size{picture.height, picture.width})
          throw std::runtime_error(message(table.member(pair, m), ": is of ", picture.height, " x ", picture.width,
                                           " pixels, the others of ", size.height, " x ", size.width,
                                           "; bring all to the size of the model's pictures"));
        std::vector<float>& to = m == 0 ? records.first : records.second;
        const std::size_t at = to.size(), values = picture.pixels.size();
        to.resize(at + values);
        from_rgb(picture, {to.data() + at, {static_cast<index_t>(values)}});
      } catch (const std::exception& error) {
        throw std::runtime_error(message(table.place(pair), ": ", table.member_name(m), ": ", error.what()));
      }
    records.contexts.push_back(table.prompt(pair));
  }
  return records;
}

}  // namespace fewstep

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fewstep/core/random.hpp>
#include <fewstep/core/view.hpp>
#include <fewstep/generator/vocabulary.hpp>

#include <cstdint>
#include <span>

namespace parts {

inline constexpr fewstep::index_t side = 8, picture_size = side * side * 3;

/// Noise for pictures, each called by one of two words.
struct examples {
  void operator()(std::int64_t step, fewstep::matrix<float> pictures, std::span<fewstep::token_list> texts) const {
    const fewstep::random_stream random{1, fewstep::stream::data};
    for (fewstep::index_t i = 0; i < pictures.rows(); ++i) {
      const auto number = static_cast<std::uint64_t>(step * pictures.rows() + i);
      fewstep::fill_normal(random, number, 0, pictures.row(i), pictures.cols());
      texts[static_cast<std::size_t>(i)] = {{1 + static_cast<std::int32_t>(number % 2)}};
    }
  }
  /// The same as pairs of a winner and a loser.
  void operator()(std::int64_t step, fewstep::matrix<float> winners, fewstep::matrix<float> losers,
                  std::span<fewstep::token_list> texts) const {
    (*this)(2 * step, losers, texts);
    (*this)(2 * step + 1, winners, texts);
  }
};

void reward_models();  ///< trains reward models, and trains by them
void files();          ///< writes and reads every format

}  // namespace parts

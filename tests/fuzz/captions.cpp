// SPDX-License-Identifier: Apache-2.0
// The captions of the application's pictures: captions.tsv beside a blank atlas and no words.
#include "fuzz.hpp"
#include "input_folder.hpp"

#include "text_to_emoji/emoji_data.cpp"

namespace {

/// Room for more pictures than the division of the data needs.
struct data_folder : fewstep::fuzz::input_folder {
  data_folder() {
    constexpr fewstep::index_t side = 20 * text_to_emoji::emoji_data::side;
    const std::vector<std::uint8_t> white(static_cast<std::size_t>(side * side * 3), std::uint8_t{255});
    put("emoji32.png", fewstep::encode_png({side, side, white}));
    put("vocabulary.txt", {});
  }
};

}  // namespace

FEWSTEP_FUZZ(bytes) {
  static const data_folder folder;
  folder.put("captions.tsv", bytes);
  const auto data = text_to_emoji::emoji_data::load(folder.path());
  fewstep::fuzz::require(data.tuning.size() + data.held_back.size() == data.names.size(), "a name is in no part");
  fewstep::fuzz::require(data.training.size() + data.unseen.size() == data.captions.size(), "a caption is in no part");
}

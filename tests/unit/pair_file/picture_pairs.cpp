// SPDX-License-Identifier: Apache-2.0
#include "support/temporary_directory.hpp"
#include "test.hpp"

#include <fewstep/core/view.hpp>
#include <fewstep/image/jpeg.hpp>
#include <fewstep/image/png.hpp>
#include <fewstep/image/rgb.hpp>
#include <fewstep/pair_file/picture_pairs.hpp>
#include <fewstep/preference/recorded_pairs.hpp>

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

using namespace fewstep;

namespace {

/// A folder with pictures of 2 x 3 pixels of one level: 0.png, 51.png, 255.png, and one of other sides, wide.png.
struct pictures : temporary_directory {
  pictures() {
    for (const int level : {0, 51, 255}) save_png(*this / (std::to_string(level) + ".png"), of(2, 3, level));
    save_png(*this / "wide.png", of(2, 4, 0));
  }
  static rgb_image of(index_t height, index_t width, int level) {
    return {height, width,
            std::vector<std::uint8_t>(static_cast<std::size_t>(3 * height * width), static_cast<std::uint8_t>(level))};
  }
  pair_records<std::string> read(const std::string& csv, const picture_pairs_options& o = {}) const {
    put_text(*this / "pairs.csv", csv);
    return picture_pairs(*this / "pairs.csv", o);
  }
};

constexpr std::size_t size = 2 * 3 * 3;

}  // namespace

TEST_CASE("pictures that a CSV names are pairs, with prompts, and without labels the winner has won") {
  const pictures folder;
  const auto records = folder.read("loser,prompt,winner\n0.png,\"a cat, red\",255.png\n51.png,,0.png\n");
  REQUIRE(records.size() == 2);
  CHECK(records.first == [] {
    std::vector<float> x(size, 1.0f);
    x.insert(x.end(), size, -1.0f);
    return x;
  }());
  CHECK(records.second[0] == -1);
  CHECK(records.second[size] == 2.0f * 51 / 255 - 1);
  CHECK(records.contexts == std::vector<std::string>{"a cat, red", ""});
  CHECK(records.labels.empty());
  const auto lengths = with_contexts(records, [](const std::string& text) { return static_cast<int>(text.size()); });
  CHECK(lengths.contexts == std::vector{10, 0});
  CHECK(recorded_pairs(lengths, size).size() == 2);
}

TEST_CASE("labels of pairs are a column, and those of segments several") {
  const pictures folder;
  CHECK(folder.read("first,second,prompt,label\n0.png,51.png,a,1\n0.png,51.png,b,0\n51.png,0.png,c,-1\n").labels ==
        std::vector{1.0f, 0.0f, -1.0f});
  const auto records = folder.read("winner,loser,prompt,label_1,label_0\n0.png,51.png,a,1,0\n0.png,51.png,a,-1,1\n");
  CHECK(records.labels == std::vector{0.0f, 1.0f, 1.0f, -1.0f});
  CHECK(records.segments() == 2);
}

TEST_CASE("pictures are PNG or JPEG, in a folder that may be another") {
  const pictures folder, others;
  jpeg_encoder encoder;
  const auto jpeg = encoder.encode(pictures::of(2, 3, 255));
  put_text(others / "white.jpg", std::string(jpeg.begin(), jpeg.end()));
  save_png(others / "0.png", pictures::of(2, 3, 0));
  put_text(folder / "pairs.csv", "winner,loser,prompt\nwhite.jpg,0.png,a\n");
  const auto records = picture_pairs(folder / "pairs.csv", {.folder = others.path(), .size = {2, 3}});
  CHECK(records.first[0] == 1);
  CHECK(records.second[0] == -1);
}

TEST_CASE("a pair that cannot be had is refused by file, line, column and value") {
  const pictures folder;
  const auto refuses = [&](const std::string& csv, const std::string& what) {
    CHECK_THROWS_WITH(folder.read(csv), contains("pairs.csv") && contains(what));
  };
  const std::string members = "winner,loser,prompt\n";
  refuses("", ": is empty");
  refuses(members + "0.png,none.png,a\n", ":2: loser: cannot read '" + (folder / "none.png").string());
  refuses(members + "0.png,51.png,a\nwide.png,0.png,a\n",
          ":3: winner: wide.png: is of 2 x 4 pixels, the others of 2 x 3; bring all to the size");
  put_text(folder / "text.png", "not a picture");
  refuses(members + "text.png,0.png,a\n", ":2: winner: " + (folder / "text.png").string() + ": is neither a PNG nor");
  put_text(folder / "cut.png", text_of(folder / "0.png").substr(0, 40));
  refuses(members + "0.png,cut.png,a\n", "cut.png: not a whole PNG picture of 40 bytes");
  refuses("winner,prompt\n0.png,a\n", ": there is no column 'loser'; give 'winner' and 'loser', or");
  refuses("first,second,prompt\n0.png,51.png,a\n", ": there is no column 'label'");
  refuses("winner,loser\n0.png,51.png\n", ": there is no column 'prompt'");
  refuses("winner,loser,prompt,colour\n0.png,51.png,a,red\n", ": column 'colour' is not known; columns are winner,");
  refuses("winner,loser,prompt,winner\n0.png,51.png,a,0.png\n", ":1: column 'winner' stands there twice");
  refuses("winner,loser,prompt,label\n0.png,51.png,a,1\n0.png,51.png,a,2\n", ":3: label is '2'; it must be 1");
  refuses("winner,loser,prompt,label\n0.png,51.png,a,yes\n", ":2: label is 'yes'");
  refuses("winner,loser,prompt,label\n0.png,51.png,a,0\n0.png,51.png,a,0\n", ": all 2 labels are ties");
  refuses("winner,loser,prompt,label_0,label_1\n0.png,51.png,a,1,1\n0.png,51.png,a,1,\n", ":3: label_1 is ''");
  refuses("winner,loser,prompt,label_0,label_2\n0.png,51.png,a,1,1\n", ": column 'label_2' is not known");
}

TEST_CASE("members may have prompts of their own, which must be the same") {
  const pictures folder;
  CHECK(folder.read("winner,loser,winner_prompt,loser_prompt\n0.png,51.png,a,a\n").contexts[0] == "a");
  CHECK_THROWS_WITH(
      folder.read("winner,loser,winner_prompt,loser_prompt\n0.png,51.png,a,a\n0.png,51.png,a cat,a dog\n"),
      contains("pairs.csv:3: winner_prompt is 'a cat' and loser_prompt 'a dog'"));
  CHECK_THROWS_WITH(folder.read("winner,loser,prompt,loser_prompt\n0.png,51.png,a,b\n"),
                    contains("pairs.csv:2: prompt is 'a' and loser_prompt 'b'"));
}

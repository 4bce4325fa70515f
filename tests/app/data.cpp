// SPDX-License-Identifier: Apache-2.0
#include "app/application.hpp"
#include "test.hpp"

#include <fewstep/image/png.hpp>

#include <cstdint>
#include <functional>

namespace {

namespace fs = std::filesystem;

/// Data of one's own, to be changed.
struct own_data {
  fs::path folder;

  explicit own_data(const fs::path& to) : folder(to) {
    fs::create_directory(folder);
    for (const char* name : {"captions.tsv", "emoji32.png", "vocabulary.txt"})
      fs::copy_file(fs::path(TEXT_TO_EMOJI_DATA) / name, folder / name);
  }

  void rewrite(const char* name, const std::function<std::string(std::string)>& change) const {
    put_text(folder / name, change(text_of(folder / name)));
  }
};

std::string with_windows_lines(std::string text) {
  std::string out = "\xEF\xBB\xBF";
  for (const char c : text) out += c == '\n' ? std::string("\r\n") : std::string(1, c);
  return out;
}

}  // namespace

TEST_CASE("a run goes on only with the data it was begun with") {
  const playground here;
  const auto kind = GENERATE("finetune", "pretrain");
  const own_data data(here / "data");
  const auto arguments = [&](const std::vector<std::string>& more) {
    const std::string folder = data.folder.string();
    auto all = kind == std::string("finetune") ? here.finetune("run", 2, {"--data", folder}) : here.pretrain("run", 2);
    all.insert(all.end(), {"--data", folder});
    all.insert(all.end(), more.begin(), more.end());
    return all;
  };
  REQUIRE(here.run(arguments({})).exited_with(0));
  const auto refused = [&] {
    const auto end = here.run(arguments({"--resume"}));
    INFO(end.output);
    CHECK(end.exited_with(1));
    CHECK(says(end, "data_checksum"));
  };
  const auto captions = text_of(data.folder / "captions.tsv");
  const auto vocabulary = text_of(data.folder / "vocabulary.txt");

  // The words of one name in another order: the same tokens, another prompt.
  const std::string name = "\talien monster\n";
  auto changed = captions;
  changed.replace(captions.find(name), name.size(), "\tmonster alien\n");
  put_text(data.folder / "captions.tsv", changed);
  refused();
  put_text(data.folder / "captions.tsv", captions);

  put_text(data.folder / "vocabulary.txt", vocabulary + "unheard\n");
  refused();
  put_text(data.folder / "vocabulary.txt", vocabulary);

  const auto atlas = fewstep::load_png(data.folder / "emoji32.png");
  auto touched = atlas;
  touched.pixels.at(1000) = static_cast<std::uint8_t>(touched.pixels.at(1000) ^ 1u);
  fewstep::save_png(data.folder / "emoji32.png", touched);
  refused();
  fewstep::save_png(data.folder / "emoji32.png", atlas);

  const auto end = here.run(arguments({"--resume"}));
  INFO(end.output);
  CHECK(end.exited_with(0));
}

TEST_CASE("byte order marks and line ends of other systems change nothing") {
  const playground here;
  const own_data data(here / "data");
  for (const char* name : {"captions.tsv", "vocabulary.txt"}) data.rewrite(name, with_windows_lines);
  const auto same = here.run(here.pretrain("same", 2, {"--data", data.folder.string()}));
  INFO(same.output);
  REQUIRE(same.exited_with(0));
  for (const char* name : {"base.safetensors", "checkpoint.safetensors"})
    CHECK(text_of(here / "same" / name) == text_of(here / "base" / name));

  data.rewrite("vocabulary.txt", [](const std::string& text) { return "\xFF\xFE" + text; });
  const auto end = here.run(here.pretrain("other", 2, {"--data", data.folder.string()}));
  INFO(end.output);
  CHECK(end.exited_with(1));
  CHECK(says(end, "vocabulary.txt: is in UTF-16 or UTF-32"));
}

TEST_CASE("words that the model lacks are counted and named before the training") {
  const playground here;
  const own_data data(here / "data");
  data.rewrite("captions.tsv", [](std::string text) {
    for (int i = 0; i < 2; ++i)
      text.insert(text.rfind('\n', text.size() - 2 - 200 * static_cast<std::size_t>(i)), " zorblax");
    return text;
  });
  const auto end = here.run(here.finetune("run", 1, {"--data", data.folder.string()}));
  INFO(end.output);
  CHECK(end.exited_with(0));
  CHECK(says(end, "prompts are left out, as the model cannot be given them: 'zorblax' (unknown, 2 times)"));
}

// SPDX-License-Identifier: Apache-2.0
#include "support/tiny_text_unet.hpp"
#include "test.hpp"

#include <fewstep/algorithm/rlcm.hpp>
#include <fewstep/backend/cpu/backend.hpp>
#include <fewstep/generator/guided.hpp>
#include <fewstep/mdp/prompts.hpp>
#include <fewstep/optimizer/sgd.hpp>
#include <fewstep/reward/per_sample.hpp>

#include <filesystem>
#include <fstream>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace {

/// A file with this content, removed at the end.
struct text_file {
  std::filesystem::path path;
  explicit text_file(const std::string& content)
      : path(std::filesystem::temp_directory_path() /
             ("fewstep_prompts_" + std::to_string(std::hash<std::string>{}(content)) + ".txt")) {
    std::ofstream(path, std::ios::binary) << content;
  }
  ~text_file() { std::filesystem::remove(path); }
  text_file(const text_file&) = delete;
  text_file& operator=(const text_file&) = delete;
};

}  // namespace

TEST_CASE("prompt_list has one prompt a line, whatever the line ends, and skips empty lines") {
  const text_file file("red heart\r\n\n  \t\nblack cat\nmoon");
  CHECK(fewstep::prompt_list::from_file(file.path).texts == std::vector<std::string>{"red heart", "black cat", "moon"});
}

TEST_CASE("prompt_list refuses a file that is missing or has no prompt, by name") {
  CHECK_THROWS_WITH(fewstep::prompt_list::from_file("/nonexistent/prompts.txt"),
                    contains("/nonexistent/prompts.txt: cannot be opened"));
  const text_file file("\n \n");
  CHECK_THROWS_WITH(fewstep::prompt_list::from_file(file.path), contains("has no prompt"));
}

TEST_CASE("prompt_list drops byte order marks and refuses files that are not in UTF-8") {
  using std::string_view_literals::operator""sv;
  const text_file one("\xEF\xBB\xBFred apple\r\nmoon\n"), joined("\xEF\xBB\xBFred apple\n\xEF\xBB\xBFmoon\n");
  for (const text_file* file : {&one, &joined})
    CHECK(fewstep::prompt_list::from_file(file->path).texts == std::vector<std::string>{"red apple", "moon"});
  const text_file only_mark("\xEF\xBB\xBF\n");
  CHECK_THROWS_WITH(fewstep::prompt_list::from_file(only_mark.path), contains("has no prompt"));
  for (const auto bytes :
       {"\xFF\xFEr\0e\0d\0\n\0"sv, "\xFE\xFF\0r\0e\0d\0\n"sv, "\0\0\xFE\xFF\0\0\0r"sv, "\xFF\xFE\0\0r\0\0\0"sv}) {
    const text_file file{std::string(bytes)};
    CHECK_THROWS_WITH(fewstep::prompt_list::from_file(file.path),
                      contains("is in UTF-16 or UTF-32, as its byte order mark says; save it as UTF-8"));
  }
  const text_file latin("red apple\nl\xe4nge\n"), utf8("l\u00e4nge");
  CHECK_THROWS_WITH(fewstep::prompt_list::from_file(latin.path), contains(":2: is not UTF-8; save the file as UTF-8"));
  CHECK(fewstep::prompt_list::from_file(utf8.path).size() == 1);
}

TEST_CASE("words of prompts that a generator cannot be given are counted and named, and left out only when asked") {
  fewstep::cpu_backend backend({.threads = 1});
  auto model = fewstep::test::make_tiny_text_unet(backend);
  fewstep::prompt_list prompts{{"red heart", "blu red", "Blu moon", "red red red red red red red red red red heart"}};
  const auto left_out = fewstep::left_out(prompts, model);
  CHECK(left_out.texts() == 3);
  CHECK(left_out.unknown() == std::map<std::string, std::int64_t>{{"blu", 2}});
  CHECK(left_out.left_over() == std::map<std::string, std::int64_t>{{"heart", 1}});
  CHECK_THROWS_WITH(fewstep::encoded(prompts, model),
                    contains("3 of 4 have words that the generator cannot be given: 'blu' (unknown, 2 times), "
                             "'heart' (beyond the first 10 words); correct them"));
  fewstep::guided guide(backend, model, {.scale = 2.0f});
  CHECK_THROWS_WITH(fewstep::encoded(prompts, guide), contains("'blu' (unknown, 2 times)"));

  prompts.missing = fewstep::missing_words::leave_out;
  const auto contexts = fewstep::encoded(prompts, model);
  CHECK(fewstep::encoded(prompts, guide) == contexts);
  REQUIRE(contexts.size() == 4);
  CHECK(contexts[1] == model.encode("red"));
  CHECK(contexts[2] == model.encode("moon"));
  CHECK(contexts[3] == model.encode("red red red red red red red red red red"));
}

TEST_CASE("a trainer leaves words out where the list of prompts says so") {
  fewstep::cpu_backend backend({.threads = 1});
  auto model = fewstep::test::make_tiny_text_unet(backend);
  auto trainer =
      fewstep::rlcm(backend, model, fewstep::per_sample([](fewstep::vec<const float> x, const auto&) { return x[0]; }),
                    fewstep::sgd{}, {.horizon = 2, .batch = {.prompts = 1, .samples_per_prompt = 2}});
  fewstep::prompt_list prompts{{"blu red"}};
  CHECK_THROWS_WITH(trainer.run(prompts, 1), contains("'blu' (unknown)"));
  prompts.missing = fewstep::missing_words::leave_out;
  for (const auto& report : trainer.run(prompts, 1)) CHECK(report.index == 0);
  CHECK(trainer.index() == 1);
}

TEST_CASE("the words left out are named up to a dozen") {
  fewstep::left_out_words words;
  const fewstep::vocabulary one({"red"});
  words.add(one.encode("a b c d e f g h i j k l m n red"));
  CHECK_THAT(words.text(), contains("'l' (unknown) and 2 more"));
}

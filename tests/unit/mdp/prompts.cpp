// SPDX-License-Identifier: Apache-2.0
#include "test.hpp"

#include <fewstep/mdp/prompts.hpp>

#include <filesystem>
#include <fstream>
#include <string>
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

// SPDX-License-Identifier: Apache-2.0
#include "test.hpp"

#include <fewstep/generator/vocabulary.hpp>

#include <string>
#include <vector>

using fewstep::token_list;
using fewstep::vocabulary;
using words = std::vector<std::string>;

TEST_CASE("vocabulary: word i is token i + 1, padding is 0") {
  const vocabulary v({"red", "heart", "cat"});
  CHECK(v.size() == 4);
  CHECK(v.words() == words{"red", "heart", "cat"});
  CHECK(v.token("red") == 1);
  CHECK(v.token("cat") == 3);
  CHECK(v.token("dog") == 0);
  CHECK(v.token("") == 0);
  CHECK(vocabulary().size() == 1);
}

TEST_CASE("vocabulary: a word that stands in it twice is refused") {
  CHECK_THROWS_WITH(vocabulary({"red", "heart", "red"}), contains("'red' stands in it twice"));
}

TEST_CASE("vocabulary: a word that no prompt can hold is refused") {
  for (const char* word : {"ice cream", "Red", ""})
    CHECK_THROWS_WITH(vocabulary({"heart", word}), contains("is not one word in lower case"));
}

TEST_CASE("vocabulary: texts are split at white space and commas, without regard to case") {
  CHECK(vocabulary::split("  Red,HEART\tcat\n, dog") == words{"red", "heart", "cat", "dog"});
  CHECK(vocabulary::split(" ,\t").empty());
  const auto e = vocabulary({"red", "heart"}).encode("Heart, RED heart");
  CHECK(e.tokens == token_list{{2, 1, 2}});
  CHECK(e.unknown.empty());
  CHECK(e.left_over.empty());
}

TEST_CASE("vocabulary: unknown words are named and left out, as are words beyond the last place") {
  const vocabulary v({"red", "heart"});
  const auto e = v.encode("shiny red heart-shaped heart");
  CHECK(e.tokens == token_list{{1, 2}});
  CHECK(e.unknown == words{"shiny", "heart-shaped"});

  std::string text = "blue ";
  for (int i = 0; i < 10; ++i) text += "heart ";
  const auto full = v.encode(text);
  CHECK(full.tokens.ids == std::array<std::int32_t, 10>{2, 2, 2, 2, 2, 2, 2, 2, 2, 2});
  CHECK(full.left_over.empty());
  const auto longer = v.encode(text + "red red blue");
  CHECK(longer.tokens == full.tokens);
  CHECK(longer.left_over == words{"red", "red"});
  CHECK(longer.unknown == words{"blue", "blue"});
  CHECK(v.encode("").tokens == token_list{});
}

TEST_CASE("vocabulary: bytes beyond ASCII pass through") {
  const vocabulary v({"cœur"});
  CHECK(v.encode("cœur").tokens == token_list{{1}});
}

TEST_CASE("token_matrix shows the rows of texts") {
  const std::vector<token_list> texts = {token_list{{1, 2}}, token_list{{3}}};
  const auto m = fewstep::token_matrix({texts.data(), {2}});
  CHECK(m.rows() == 2);
  CHECK(m.cols() == 10);
  CHECK(m(0, 1) == 2);
  CHECK(m(1, 0) == 3);
  CHECK(fewstep::token_matrix({nullptr, {0}}).rows() == 0);
}

TEST_CASE("vocabulary: a word that is not UTF-8 is refused since no file of weights could hold it") {
  CHECK_NOTHROW(fewstep::vocabulary({"l\u00e4nge"}));
  CHECK_THROWS_WITH(fewstep::vocabulary({"red", "l\xe4nge"}), contains("the word 'l\xe4nge' is not UTF-8"));
}

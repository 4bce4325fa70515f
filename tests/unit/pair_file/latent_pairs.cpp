// SPDX-License-Identifier: Apache-2.0
#include "support/temporary_directory.hpp"
#include "test.hpp"

#include <fewstep/generator/vocabulary.hpp>
#include <fewstep/io/element_type.hpp>
#include <fewstep/io/safetensors_writer.hpp>
#include <fewstep/pair_file/latent_pairs.hpp>
#include <fewstep/preference/recorded_pairs.hpp>

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <string>
#include <vector>

using namespace fewstep;

namespace {

const std::vector<float> ones(12, 1.0f), twos(12, 2.0f);

/// Reads a file of three pairs of [2, 2] samples, ones and twos, and what `more` adds to it.
template <class Context, class More>
pair_records<Context> with(const More& more, const char* first = "winner", const char* second = "loser") {
  const temporary_directory folder;
  safetensors_writer file;
  file.add(first, {3, 2, 2}, ones, element_type::f16);
  file.add(second, {3, 2, 2}, twos);
  more(file);
  file.write(folder / "pairs.safetensors");
  return latent_pairs<Context>(folder / "pairs.safetensors");
}
template <class T>
void add(safetensors_writer& file, const char* name, std::vector<index_t> shape, element_type type,
         const std::vector<T>& values) {
  file.add_raw(name, std::move(shape), type, std::as_bytes(std::span(values)));
}
const auto prompts = [](safetensors_writer& file) { file.metadata("prompts", "a cat\n\na dog"); };
void numbers(safetensors_writer& file) { add<std::int32_t>(file, "contexts", {3}, element_type::i32, {4, 5, 6}); }

}  // namespace

TEST_CASE("latents of a safetensors file are pairs, with prompts or numbers") {
  const auto records = with<std::string>(prompts);
  CHECK(records.first == ones);
  CHECK(records.second == twos);
  CHECK(records.contexts == std::vector<std::string>{"a cat", "", "a dog"});
  CHECK(records.labels.empty());
  CHECK(with<std::int32_t>(numbers).contexts == std::vector<std::int32_t>{4, 5, 6});
  const auto tokens = with<token_list>([](safetensors_writer& file) {
    std::vector<std::int64_t> words(30);
    words[11] = 7;
    add(file, "contexts", {3, 10}, element_type::i64, words);
  });
  CHECK(tokens.contexts[1].ids[1] == 7);
  CHECK(recorded_pairs(tokens, 4).size() == 3);
}

TEST_CASE("prompts that were joined may end in an empty one") {
  const auto split = [](const std::string& joined) {
    return with<std::string>([&](safetensors_writer& f) { f.metadata("prompts", joined); }).contexts;
  };
  CHECK(split("a\nb\n") == std::vector<std::string>{"a", "b", ""});
  CHECK(split("\n\n") == std::vector<std::string>(3));
  CHECK(split("a\n\nb\n") == std::vector<std::string>{"a", "", "b"});
}

TEST_CASE("labels of a safetensors file are of pairs or segments, of any usual type") {
  const auto of = [](std::vector<index_t> shape, element_type type, auto values) {
    return with<std::int32_t>(
               [&](safetensors_writer& file) {
                 numbers(file);
                 add(file, "labels", std::move(shape), type, values);
               },
               "first", "second")
        .labels;
  };
  CHECK(of({3}, element_type::i8, std::vector<std::int8_t>{1, -1, 0}) == std::vector{1.0f, -1.0f, 0.0f});
  CHECK(of({3, 1}, element_type::i64, std::vector<std::int64_t>{1, -1, 0}) == std::vector{1.0f, -1.0f, 0.0f});
  CHECK(of({3, 2}, element_type::f32, std::vector<float>{1, 0, -1, 0, 0, 1}) ==
        std::vector{1.0f, 0.0f, -1.0f, 0.0f, 0.0f, 1.0f});
}

TEST_CASE("pairs that were saved are read again") {
  const temporary_directory folder;
  pair_records<token_list> records{ones, twos, std::vector<token_list>(2), {1, 0, -1, 1}};
  records.contexts[1].ids[3] = 9;
  save_latent_pairs(folder / "tokens", records, {3, 2});
  const auto again = latent_pairs<token_list>(folder / "tokens");
  CHECK(again.first == records.first);
  CHECK(again.second == records.second);
  CHECK(again.labels == records.labels);
  CHECK(again.contexts == records.contexts);
  const pair_records<std::string> texts{ones, twos, {"a", "", "b"}};
  save_latent_pairs(folder / "texts", texts, {4});
  CHECK(latent_pairs(folder / "texts").contexts == texts.contexts);
  CHECK_THROWS_WITH(save_latent_pairs(folder / "texts", pair_records<std::string>{ones, twos, {"a\nb"}}, {12}),
                    contains("has more than one line"));
}

TEST_CASE("files of latents that do not make pairs are refused, and file, tensor and pair are named") {
  const auto refuses = [](const auto& more, const std::string& what) {
    CHECK_THROWS_WITH(with<std::int32_t>(more), contains("pairs.safetensors") && contains(what));
  };
  const auto labels = [](std::vector<index_t> shape, const std::vector<float>& values) {
    return [=](safetensors_writer& file) {
      numbers(file);
      file.add("labels", shape, values);
    };
  };
  refuses(labels({2}, {1, 1}), "'labels' is [2], but there are 3 pairs; it must be [3] or [3, segments]");
  refuses(labels({3, 2}, {1, 1, 0, 0, 0.5f, 1}), "label 0 of pair 2 is 0.5; it must be 1");
  refuses(
      [](safetensors_writer& f) {
        numbers(f);
        add<std::int64_t>(f, "labels", {3}, element_type::i64, {1, std::numeric_limits<std::int64_t>::max(), 2});
      },
      "label 0 of pair 1 is 9.22337e+18; it must be 1");
  refuses(labels({3}, {0, 0, 0}), "all 3 labels are ties");
  refuses([](safetensors_writer&) {}, "there are no 'contexts'");
  refuses(
      [](safetensors_writer& f) {
        add<std::int32_t>(f, "contexts", {2}, element_type::i32, {1, 2});
      },
      "'contexts' is [2], but 3 pairs of this model's contexts want [3, 1]");
  refuses(
      [](safetensors_writer& f) {
        add<std::int32_t>(f, "contexts", {3, 2}, element_type::i32, {1, 2, 3, 4, 5, 6});
      },
      "'contexts' is [3, 2]");
  refuses(
      [](safetensors_writer& f) {
        numbers(f);
        add<std::int32_t>(f, "loser_contexts", {3}, element_type::i32, {4, 9, 6});
      },
      "'contexts' and 'loser_contexts' differ for pair 1");
  refuses(
      [](safetensors_writer& f) {
        add<std::int64_t>(f, "contexts", {3}, element_type::i64, {1, 1LL << 40, 2});
      },
      "value 1 of 'contexts' is 1099511627776");
  refuses(
      [](safetensors_writer& f) {
        numbers(f);
        f.add("noise", {1}, std::vector<float>{1});
      },
      "tensor 'noise' is not known");
  CHECK_THROWS_WITH(with<std::string>([](safetensors_writer& f) { f.metadata("prompts", "a\nb"); }),
                    contains("'prompts' have 2 lines, but there are 3 pairs"));
  CHECK_THROWS_WITH(with<std::int32_t>(numbers, "first", "second"), contains("there is no tensor 'labels'"));
  CHECK_THROWS_WITH(with<std::int32_t>(numbers, "winner", "losers"), contains("tensor 'loser' is missing"));

  const temporary_directory folder;
  const auto members = [&](std::vector<index_t> shape, float value) {
    safetensors_writer file;
    file.add("winner", {3, 2, 2}, ones);
    std::vector<float> values(twos.begin(), twos.begin() + shape[0] * 4);
    values.back() = value;
    file.add("loser", shape, values);
    numbers(file);
    file.write(folder / "pairs");
    return latent_pairs<std::int32_t>(folder / "pairs");
  };
  CHECK_THROWS_WITH(members({2, 2, 2}, 0), contains("'winner' is [3, 2, 2], but 'loser' [2, 2, 2]"));
  CHECK_THROWS_WITH(members({3, 4}, 0), contains("but 'loser' [3, 4]"));
  CHECK_THROWS_WITH(members({3, 2, 2}, NAN), contains("pairs: value 3 of `second` of pair 2 is nan"));
}

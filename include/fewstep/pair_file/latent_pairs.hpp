// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fewstep/core/error.hpp>
#include <fewstep/core/shape_text.hpp>
#include <fewstep/core/view.hpp>
#include <fewstep/io/element_type.hpp>
#include <fewstep/io/safetensors_file.hpp>
#include <fewstep/io/safetensors_writer.hpp>
#include <fewstep/preference/pair_records.hpp>

#include <algorithm>
#include <array>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <span>
#include <sstream>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

namespace fewstep {

namespace detail {

/// Reads a safetensors file of pairs; see latent_pairs.
template <class Context>
class latent_pair_reader {
 public:
  static constexpr bool are_prompts = std::same_as<Context, std::string>;
  static constexpr index_t numbers = static_cast<index_t>(sizeof(Context) / sizeof(std::int32_t));
  static_assert(
      are_prompts || (std::is_trivially_copyable_v<Context> && sizeof(Context) % sizeof(std::int32_t) == 0),
      "fewstep::latent_pairs: contexts are std::string, or made of numbers of 32 bits; read prompts, and make "
      "your own of them by with_contexts()");

  explicit latent_pair_reader(const std::filesystem::path& path) : file_(safetensors_file::load(path)) {
    const bool ordered = file_.contains("winner") || file_.contains("loser");
    members_ = ordered ? std::array{"winner", "loser"} : std::array{"first", "second"};
    const std::vector<index_t>& shape = file_.shape(members_[0]);
    if (shape.empty() || shape[0] == 0)
      fail(": tensor '", members_[0], "' is ", shape_text(shape), "; it must have at least one pair, [pairs, ...]");
    if (file_.shape(members_[1]) != shape)
      fail(": '", members_[0], "' is ", shape_text(shape), ", but '", members_[1], "' ",
           shape_text(file_.shape(members_[1])), "; members are samples of one model, as many of either");
    pairs_ = shape[0];
    if (!ordered && !file_.contains("labels"))
      fail(
          ": there is no tensor 'labels', which says whether the first is the better one; or call the members 'winner' "
          "and 'loser'");
    for (const std::string& tensor : file_.names()) expect_known(tensor);
  }

  [[nodiscard]] pair_records<Context> read() const {
    pair_records<Context> records{file_.floats(members_[0]), file_.floats(members_[1]), contexts(), labels()};
    records.expect_whole(file_.name(), static_cast<index_t>(records.first.size()) / pairs_);
    return records;
  }

 private:
  template <class... What>
  [[noreturn]] void fail(const What&... what) const {
    throw std::runtime_error(message(file_.name(), what...));
  }
  void expect_known(const std::string& tensor) const {
    bool known = tensor == members_[0] || tensor == members_[1] || tensor == "labels" || tensor == "contexts";
    for (const std::string member : members_) known = known || tensor == member + "_contexts";
    if (!known)
      fail(": tensor '", tensor, "' is not known; tensors are ", members_[0], ", ", members_[1], ", labels, contexts, ",
           members_[0], "_contexts and ", members_[1], "_contexts");
  }
  [[nodiscard]] std::vector<float> labels() const {
    if (!file_.contains("labels")) return {};
    const std::vector<index_t>& shape = file_.shape("labels");
    if (shape.empty() || shape.size() > 2 || shape[0] != pairs_)
      fail(": 'labels' is ", shape_text(shape), ", but there are ", pairs_, " pairs; it must be [", pairs_, "] or [",
           pairs_, ", segments]");
    switch (file_.type("labels")) {
      case element_type::i8:
        return integers<std::int8_t, float>("labels");
      case element_type::i32:
        return integers<std::int32_t, float>("labels");
      case element_type::i64:
        return integers<std::int64_t, float>("labels");
      default:
        return file_.floats("labels");
    }
  }
  template <class From, class To>
  [[nodiscard]] std::vector<To> integers(const std::string& tensor) const {
    std::vector<From> values(file_.size(tensor));
    file_.read(tensor, std::span(values));
    std::vector<To> converted(values.size());
    for (std::size_t i = 0; i < values.size(); ++i) {
      if constexpr (std::integral<To>)
        if (!std::in_range<To>(values[i]))
          fail(": value ", i, " of '", tensor, "' is ", values[i],
               ", which has no place in 32 bits; use smaller numbers");
      converted[i] = static_cast<To>(values[i]);
    }
    return converted;
  }

  /// Those of both members, or of each, which must be the same.
  [[nodiscard]] std::vector<Context> contexts() const {
    const std::string common = are_prompts ? "prompts" : "contexts";
    std::vector<Context> all;
    std::string of;
    for (const std::string& name : {common, message(members_[0], "_", common), message(members_[1], "_", common)}) {
      if (are_prompts ? !file_.metadata().contains(name) : !file_.contains(name)) continue;
      std::vector<Context> these = contexts_of(name);
      for (std::size_t i = 0; i < all.size(); ++i)
        if (!(these[i] == all[i]))
          fail(": '", of, "' and '", name, "' differ for pair ", i,
               "; samples of one prompt are compared: leave it out");
      if (all.empty()) std::swap(all, these), of = name;
    }
    if (all.empty())
      fail(": there are no ", are_prompts ? "metadata 'prompts', one a line" : "'contexts'",
           "; give those of the pairs, zeros or empty lines where nothing was asked for");
    return all;
  }
  [[nodiscard]] std::vector<Context> contexts_of(const std::string& name) const {
    std::vector<Context> values;
    if constexpr (are_prompts) {
      const std::string& text = file_.metadata().find(name)->second;
      std::istringstream lines(text);
      for (std::string line; std::getline(lines, line);) values.push_back(line);
      // Where lines were joined, an empty last one has no end of its own.
      if (std::ranges::count(text, '\n') + 1 == pairs_) values.resize(static_cast<std::size_t>(pairs_));
      if (static_cast<index_t>(values.size()) != pairs_)
        fail(": the metadata '", name, "' have ", values.size(), " lines, but there are ", pairs_,
             " pairs; give one for each");
    } else {
      const std::vector<index_t>& shape = file_.shape(name);
      const bool fits = shape == std::vector{pairs_, numbers} || (numbers == 1 && shape == std::vector{pairs_});
      if (!fits)
        fail(": '", name, "' is ", shape_text(shape), ", but ", pairs_, " pairs of this model's contexts want [",
             pairs_, ", ", numbers, "]");
      const std::vector<std::int32_t> words = file_.type(name) == element_type::i64
                                                  ? integers<std::int64_t, std::int32_t>(name)
                                                  : integers<std::int32_t, std::int32_t>(name);
      values.resize(static_cast<std::size_t>(pairs_));
      std::memcpy(static_cast<void*>(values.data()), words.data(), words.size() * sizeof(std::int32_t));
    }
    return values;
  }

  safetensors_file file_;
  std::array<const char*, 2> members_{};
  index_t pairs_ = 0;
};

}  // namespace detail

/// Pairs of samples (latents, pictures, clips) from a safetensors file, for recorded_pairs:
///
///   winner, loser    [N, ...] of F32, F16, BF16 or F8; or first, second, with labels
///   labels           [N] or [N, segments]: 1, -1 or 0 as pair_records has them; without, the winner has won
///   contexts         [N] or [N, L] of I32 or I64, for Context = std::int32_t or another type of L numbers of 32 bits
///   prompts          in the metadata, a line for each pair, for Context = std::string
///
/// Contexts and prompts may be given for each member (winner_contexts, loser_prompts, ...), and must agree. In Python:
///
///   save_file({"winner": w, "loser": l}, "pairs.safetensors", metadata={"prompts": "\n".join(prompts)})
///
/// Throws std::runtime_error or std::invalid_argument naming the file, the tensor or pair, and what is wrong.
template <class Context = std::string>
[[nodiscard]] pair_records<Context> latent_pairs(const std::filesystem::path& path) {
  return detail::latent_pair_reader<Context>(path).read();
}

/// Writes what latent_pairs reads, with members first and second, samples of shape [...].
template <class Context>
void save_latent_pairs(const std::filesystem::path& path, const pair_records<Context>& records,
                       std::vector<index_t> shape) {
  index_t size = 1;
  for (const index_t extent : shape) size *= extent;
  records.expect_whole("save_latent_pairs", size);
  shape.insert(shape.begin(), records.size());
  safetensors_writer file;
  file.add("first", shape, records.first);
  file.add("second", shape, records.second);
  const std::vector<float> ones(records.contexts.size(), 1.0f);
  file.add("labels", {records.size(), records.segments()}, records.labels.empty() ? ones : records.labels);
  if constexpr (std::same_as<Context, std::string>) {
    std::string lines;
    for (const std::string& prompt : records.contexts) {
      expects(prompt.find('\n') == prompt.npos, [&] {
        return message("save_latent_pairs: the prompt '", prompt, "' has more than one line; put it on one");
      });
      lines += prompt + '\n';
    }
    file.metadata("prompts", lines);
  } else {
    file.add_raw("contexts", {records.size(), detail::latent_pair_reader<Context>::numbers}, element_type::i32,
                 std::as_bytes(std::span(records.contexts)));
  }
  file.write(path);
}

}  // namespace fewstep

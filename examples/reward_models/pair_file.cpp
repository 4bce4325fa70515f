// SPDX-License-Identifier: Apache-2.0
#include "pair_file.hpp"

#include <fewstep/io/crc32c.hpp>
#include <fewstep/io/safetensors.hpp>

#include <nlohmann/json.hpp>

#include <algorithm>
#include <array>
#include <cstdio>
#include <sstream>
#include <stdexcept>

namespace reward_models {
namespace {

using fewstep::index_t;
using fewstep::message;

constexpr const char* origin_key = "reward_models.pairs";
constexpr const char* prompts_key = "reward_models.prompts";

}  // namespace

void pair_file::picture(std::size_t pair, std::size_t which, float* x) const {
  const auto from = levels(pair, which);
  for (std::size_t i = 0; i < values; ++i) x[i] = 2.0f * static_cast<float>(from[i]) / 255.0f - 1.0f;
}

std::string pair_file::checksum() const {
  std::uint32_t crc = fewstep::crc32c(std::as_bytes(std::span(pictures)));
  for (const std::string& prompt : prompts)
    crc = fewstep::crc32c(std::as_bytes(std::span(prompt.c_str(), prompt.size() + 1)), crc);
  std::array<char, 9> text{};
  std::snprintf(text.data(), text.size(), "%08x", crc);
  return text.data();
}

void pair_file::save(const std::filesystem::path& path) const {
  const auto count = static_cast<index_t>(size());
  constexpr index_t side = text_to_emoji::emoji_data::side;
  std::string lines;
  for (const std::string& prompt : prompts) lines += prompt + '\n';
  auto about = nlohmann::json::parse(origin);
  about["training"] = training;
  fewstep::safetensors_writer file;
  file.metadata(origin_key, about.dump());
  file.metadata(prompts_key, lines);
  const auto add = [&](const char* name, std::vector<index_t> shape, const std::vector<std::uint8_t>& bytes) {
    file.add_raw(name, std::move(shape), fewstep::element_type::u8, std::as_bytes(std::span(bytes)));
  };
  add("pictures", {count, 2, side, side, 3}, pictures);
  add("first_wins", {count}, first_wins);
  add("rule_says_first", {count}, rule_says_first);
  add("answered", {count}, answered);
  file.write(path);
}

pair_file pair_file::load(const std::filesystem::path& path) {
  const auto file = fewstep::safetensors_file::load(path);
  const auto about = file.metadata().find(origin_key), lines = file.metadata().find(prompts_key);
  if (about == file.metadata().end() || lines == file.metadata().end())
    throw std::runtime_error(message(path.string(), ": the metadata have no '", origin_key, "' or no '", prompts_key,
                                     "'; give a file made by 'reward_models pairs'"));
  pair_file pairs;
  pairs.origin = about->second;
  try {
    const auto training = nlohmann::json::parse(pairs.origin).at("training");
    if (!training.is_number_unsigned())
      throw std::runtime_error(
          message(path.string(), ": 'training' is ", training.dump(), "; it is a number of pairs"));
    training.get_to(pairs.training);
  } catch (const nlohmann::json::exception& e) {
    throw std::runtime_error(message(path.string(), ": the metadata '", origin_key, "' are damaged: ", e.what()));
  }
  std::istringstream text(lines->second);
  for (std::string line; std::getline(text, line);) pairs.prompts.push_back(line);
  if (pairs.training == 0 || pairs.training >= pairs.size())
    throw std::runtime_error(message(path.string(), ": has ", pairs.size(), " pairs of which ", pairs.training,
                                     " are to train with; there must be some of these and some held out"));
  // The file's own tensors decide what is allocated, not its number of lines.
  const auto read = [&](const char* name, std::vector<std::uint8_t>& to, std::size_t count) {
    if (file.size(name) != count)
      throw std::runtime_error(message(path.string(), ": tensor '", name, "' has ", file.size(name), " elements, but ",
                                       pairs.size(), " pairs have ", count));
    to.resize(count);
    file.read(name, std::span(to));
  };
  read("pictures", pairs.pictures, 2 * pairs.size() * values);
  for (const auto& [name, flags] : {std::pair<const char*, std::vector<std::uint8_t>*>{"first_wins", &pairs.first_wins},
                                    {"rule_says_first", &pairs.rule_says_first},
                                    {"answered", &pairs.answered}}) {
    read(name, *flags, pairs.size());
    if (std::any_of(flags->begin(), flags->end(), [](std::uint8_t flag) { return flag > 1; }))
      throw std::runtime_error(message(path.string(), ": tensor '", name, "' has values other than 0 and 1"));
  }
  return pairs;
}

}  // namespace reward_models

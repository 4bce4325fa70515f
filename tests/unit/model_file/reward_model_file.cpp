// SPDX-License-Identifier: Apache-2.0
#include <fewstep/model_file/reward_model_file.hpp>

#include "support/settings.hpp"
#include "support/temporary_directory.hpp"
#include "support/tiny_reward_models.hpp"
#include "test.hpp"

#include <fewstep/reward_model/alignment_reward.hpp>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <functional>
#include <limits>
#include <string>
#include <vector>

using fewstep::cpu_backend;
using fewstep::index_t;
using fewstep::safetensors_file;
using fewstep::safetensors_writer;
using fewstep::test::same_bits;
namespace squares = fewstep::test::squares;

namespace {

/// The file again, its metadata and names of tensors passed through `change`; false drops the entry. `values` may
/// change the weights.
using change = std::function<bool(std::string& key, std::string& value)>;
void rewrite(const std::filesystem::path& path, const change& metadata, const change& names = {},
             const std::function<void(const std::string& name, std::vector<float>& weights)>& values = {}) {
  const auto file = safetensors_file::load(path);
  safetensors_writer writer;
  for (const auto& entry : file.metadata()) {
    std::string key = entry.first, value = entry.second;
    if (!metadata || metadata(key, value)) writer.metadata(key, value);
  }
  for (const std::string& tensor : file.names()) {
    std::string name = tensor, none;
    std::vector<float> weights = file.floats(tensor);
    if (values) values(name, weights);
    if (!names || names(name, none)) writer.add(name, file.shape(tensor), weights);
  }
  writer.write(path);
}

template <class Reward>
std::vector<float> rated(Reward& reward) {
  const squares::examples all(3, 0, 7);
  std::vector<float> rewards(7);
  reward(all.pictures(), all.texts(), std::span<float>(rewards));
  return rewards;
}

/// Whether a line of the file's metadata says every number of the options.
template <class Options>
bool says_all(const std::filesystem::path& path, const char* key, const Options& options) {
  const std::string line = safetensors_file::load(path).metadata().find(key)->second;
  const auto names = fewstep::test::names_of_numbers(options);
  return !names.empty() && std::all_of(names.begin(), names.end(), [&](const std::string& name) {
    return name == "vocabulary" || line.find('"' + name + '"') != std::string::npos;  // the words are in another line
  });
}

}  // namespace

TEST_CASE("reward model files: they say every option of the network") {
  const temporary_directory directory;
  cpu_backend backend;
  auto towers = squares::make_two_tower(backend);
  fewstep::save_two_tower(backend, directory / "m", towers, towers.parameters());
  CHECK(says_all(directory / "m", "fewstep.two_tower", towers.network().options()));
  auto judge = squares::make_preference_model(backend, true);
  fewstep::save_preference_model(backend, directory / "m", judge, judge.parameters());
  CHECK(says_all(directory / "m", "fewstep.preference_model", judge.network().options()));
}

TEST_CASE("reward model files: a two_tower rates the same when loaded") {
  const temporary_directory directory;
  const auto path = directory.path() / "two_tower.safetensors";
  cpu_backend backend;
  auto model = squares::make_two_tower(backend);
  fewstep::test::randomize(model, 5);
  fewstep::save_two_tower(backend, path, model, model.parameters());
  auto loaded = fewstep::load_two_tower(backend, path);
  CHECK(loaded.words().words() == squares::words);
  CHECK(same_bits(std::vector<float>(model.parameters().begin(), model.parameters().end()),
                  std::vector<float>(loaded.parameters().begin(), loaded.parameters().end())));
  fewstep::alignment_reward before(backend, model), after(backend, loaded);
  CHECK(same_bits(rated(before), rated(after)));

  CHECK_THROWS_WITH(fewstep::load_preference_model(backend, path), contains("no 'fewstep.preference_model'"));
  rewrite(path, {}, [](std::string& name, std::string&) { return name != "image.blocks.1.0.conv2.bias"; });
  CHECK_THROWS_WITH(fewstep::load_two_tower(backend, path),
                    contains("the weight 'image.blocks.1.0.conv2.bias' is missing"));
  CHECK_THROWS_WITH(fewstep::save_two_tower(backend, path, model, model.parameters().subview(0, 3)),
                    contains("saving a reward model: 3 parameters given"));
}

TEST_CASE("reward model files: a preference_model rates the same when loaded, with its scale") {
  const temporary_directory directory;
  const auto path = directory.path() / "preference.safetensors";
  cpu_backend backend;
  for (const bool reads_texts : {false, true}) {
    auto model = squares::make_preference_model(backend, reads_texts);
    fewstep::test::randomize(model, 5);
    fewstep::preference_reward before(backend, model);
    const squares::examples all(4, 0, 16);
    before.calibrate(all.pictures(), all.texts());
    fewstep::save_preference_model(backend, path, model, model.parameters(), before.scale());
    auto loaded = fewstep::load_preference_model(backend, path);
    fewstep::preference_reward after(backend, loaded.model, loaded.scale);
    CHECK(same_bits(rated(before), rated(after)));
  }
}

TEST_CASE("reward model files: damage is named") {
  const temporary_directory directory;
  const auto path = directory.path() / "preference.safetensors";
  cpu_backend backend;
  auto model = squares::make_preference_model(backend, true);
  const auto refuses = [&](const change& metadata, const std::string& part) {
    fewstep::save_preference_model(backend, path, model, model.parameters());
    rewrite(path, metadata);
    INFO(part);
    CHECK_THROWS_WITH(fewstep::load_preference_model(backend, path), contains(part));
    CHECK_THROWS_WITH(fewstep::load_preference_model(backend, path), contains("preference.safetensors: "));
  };
  const auto replaced = [](const std::string& of, const std::string& from, const std::string& to) {
    return [=](std::string& key, std::string& value) {
      if (key == of) value.replace(value.find(from), from.size(), to);
      return true;
    };
  };
  const auto without = [](const std::string& of) { return [=](std::string& key, std::string&) { return key != of; }; };
  const std::string network = "fewstep.preference_model", scale = "fewstep.reward_scale";
  refuses(without(network), "the metadata have no 'fewstep.preference_model'");
  refuses(without("fewstep.vocabulary"), "or no 'fewstep.vocabulary'");
  refuses(without(scale), "the metadata have no 'fewstep.reward_scale'");
  refuses(replaced(network, "\"patch\"", "\"match\""), "the metadata of the network are damaged");
  refuses(replaced(network, "{", ""), "the metadata of the network are damaged");
  refuses(replaced(network, "\"groups\":4", "\"groups\":3"), "the network described cannot be");
  refuses(replaced(network, "\"hidden\":16", "\"hidden\":17"), "the weight 'head.0.weight' has shape [16, 24]");
  refuses(replaced("fewstep.vocabulary", "left\n", ""), "the weight 'text.words.weight' has shape [7, 16]");
  // Compared with the file's tensors before anything of the size is made.
  refuses(replaced(network, "\"blocks\":1", "\"blocks\":65536"),
          "the weight 'image.blocks.0.1.norm1.weight' is missing");
  refuses(replaced(network, "\"features\":16", "\"features\":65536"),
          "the weight 'image.out.weight' has shape [16, 16]");
  refuses(replaced(network, "\"height\":8", "\"height\":4.9"), "'height' is 4.9; it must be a whole number");
  refuses(replaced(network, "\"reads_texts\":true", "\"reads_texts\":1"),
          "'reads_texts' is 1; it must be true or false");
  refuses(replaced(network, "\"hidden\":16", "\"hidden\":16,\"hidden\":16"), "'hidden' stands in them twice");
  refuses(replaced(scale, "\"mean\":0.0", "\"mean\":1e39"), "'mean' is 1e+39; it must be a number");
  refuses(replaced(scale, "\"mean\":0", "\"mean\":0,\"mean\":0"), "'mean' stands in them twice");
  refuses(replaced(scale, "\"mean\":0", "\"mean\":\"x\""), "the scale of the reward is damaged");
  refuses(replaced(scale, "\"deviation\":1", "\"deviation\":-1"), "which cannot be");

  fewstep::save_preference_model(backend, path, model, model.parameters());
  std::vector<float> broken(model.parameters().begin(), model.parameters().end());
  broken[5] = std::numeric_limits<float>::quiet_NaN();
  CHECK_THROWS_WITH(fewstep::save_preference_model(backend, path, model, {broken.data(), {model.parameters().size()}}),
                    contains("the weight 'image.in.weight' is not saved: it has nan"));
  rewrite(path, {}, {}, [](const std::string& name, std::vector<float>& weights) {
    if (name == "image.in.weight") weights[5] = std::numeric_limits<float>::quiet_NaN();
  });
  CHECK_THROWS_WITH(fewstep::load_preference_model(backend, path), contains("the weight 'image.in.weight' has nan"));
  std::filesystem::resize_file(path, std::filesystem::file_size(path) - 1);
  CHECK_THROWS(fewstep::load_preference_model(backend, path));
}

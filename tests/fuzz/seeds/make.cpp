// SPDX-License-Identifier: Apache-2.0
// Writes the first inputs of those targets whose files the library itself writes: FOLDER/TARGET/NAME.
#include "../checkpoint_state.hpp"
#include "../tiny_models.hpp"

#include <fewstep/io/checkpoint.hpp>
#include <fewstep/pair_file/latent_pairs.hpp>

#include <cstddef>
#include <cstdio>
#include <exception>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

namespace {

namespace fs = std::filesystem;
namespace fuzz = fewstep::fuzz;
using fewstep::element_type;

/// The folder of a target's seeds.
fs::path folder_of(const fs::path& all, std::string_view target) {
  fs::create_directories(all / target);
  return all / target;
}

/// The file once more under a name that ends in _unchecked, without a checksum as from Python.
void copy_unchecked(const fs::path& path) {
  const auto bytes = fewstep::read_file(path);
  std::string text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  text.at(text.find(fewstep::checksum_key)) = '?';
  fewstep::write_atomically(path.string() + "_unchecked", text);
}

void write_safetensors(const fs::path& folder) {
  fewstep::safetensors_writer file;
  const std::vector<std::byte> zeros(64);
  for (const auto& each : fewstep::element_types)  // 8 elements of each
    file.add_view(each.name, {2, 4}, each.type, std::span(zeros).first(each.bits));
  file.metadata("key", "value");
  file.write(folder / "types");
  copy_unchecked(folder / "types");
}

void write_latent_pairs(const fs::path& folder) {
  const std::vector<float> first(12, 1.0f), second(12, -1.0f);
  fewstep::save_latent_pairs(folder / "prompts", fewstep::pair_records<std::string>{first, second, {"a", "", "b c"}},
                             {2, 2});
  fewstep::save_latent_pairs(folder / "numbers",
                             fewstep::pair_records<std::int32_t>{first, second, {1, 2}, {1, 0, -1, 1}}, {6});
  for (const auto* name : {"prompts", "numbers"}) copy_unchecked(folder / name);
}

void write_checkpoint(const fs::path& folder) {
  fuzz::checkpoint_content content{.state = {.parameters = {1, 2, 3},
                                             .curve = {4},
                                             .index = 5,
                                             .warm = true,
                                             .now = fuzz::phase::update,
                                             .text = "text",
                                             .names = {"a", "b"},
                                             .parts = {{{1}, "c"}, {}},
                                             .history = {{1, 2}, {}}}};
  content.rewards.push(1, 0.5f, 2);
  fewstep::save_checkpoint(folder / "all", content);
}

void write_text_unets(const fs::path& folder, fewstep::cpu_backend& backend) {
  for (const bool adapted : {false, true}) {
    auto model = fuzz::tiny_text_unet(backend, adapted);
    const auto path = folder / (adapted ? "adapted" : "base");
    fewstep::save_consistency_model(path, model, model.parameters(), adapted ? element_type::f16 : element_type::f32);
    copy_unchecked(path);
  }
}

void write_reward_models(const fs::path& folder, fewstep::cpu_backend& backend) {
  auto towers = fuzz::tiny_two_tower(backend);
  fewstep::save_two_tower(backend, folder / "two_tower", towers, towers.parameters(), element_type::f16);
  copy_unchecked(folder / "two_tower");
  for (const bool reads_texts : {false, true}) {
    auto model = fuzz::tiny_preference_model(backend, reads_texts);
    const auto path = folder / (reads_texts ? "preference_of_texts" : "preference");
    fewstep::save_preference_model(backend, path, model, model.parameters(), {}, element_type::f16);
    copy_unchecked(path);
  }
}

}  // namespace

int main(int count, char** argument) try {
  if (count != 2) {
    std::fprintf(stderr, "usage: fuzz_seeds FOLDER\n");
    return 2;
  }
  const fs::path all = argument[1];
  fewstep::cpu_backend backend({.threads = 1});
  write_safetensors(folder_of(all, "safetensors"));
  write_latent_pairs(folder_of(all, "latent_pairs"));
  write_checkpoint(folder_of(all, "checkpoint"));
  write_text_unets(folder_of(all, "text_unet_file"), backend);
  write_reward_models(folder_of(all, "reward_model_file"), backend);
  fewstep::write_atomically(folder_of(all, "vocabulary") / "words",
                            std::string_view("red,cat\nmoon\0RED dog  moon", 26));
  return 0;
} catch (const std::exception& e) {
  std::fprintf(stderr, "fuzz_seeds: %s\n", e.what());
  return 1;
}

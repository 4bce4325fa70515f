// SPDX-License-Identifier: Apache-2.0
#include "training.hpp"

#include <fewstep/io/atomic_file.hpp>
#include <fewstep/log/metrics_csv.hpp>

#include <fstream>
#include <string>

namespace reward_models {

void finish_training(const training_settings& s, const char* model, const nlohmann::ordered_json& figures) {
  auto path = s.output;
  path.replace_filename("reward_models.json");
  nlohmann::ordered_json all = nlohmann::ordered_json::object();
  if (std::ifstream file(path); file) {
    try {
      all = nlohmann::ordered_json::parse(file);
    } catch (const nlohmann::json::exception& e) {
      throw std::runtime_error(fewstep::message(path.string(), ": is damaged: ", e.what(), "; remove it"));
    }
  }
  all[model] = figures;
  fewstep::write_atomically(path, all.dump(2) + "\n");
  std::filesystem::remove(checkpoint_of(s.output));
  std::printf("written to %s, the figures to %s\n", s.output.c_str(), path.c_str());
}

double as_written(float value) {
  std::string text;
  fewstep::append_number(text, value);
  return std::stod(text);
}

}  // namespace reward_models

// SPDX-License-Identifier: Apache-2.0
#include "run_settings.hpp"

#include <fewstep/core/error.hpp>
#include <fewstep/log/metrics_csv.hpp>

#include <fstream>
#include <stdexcept>
#include <string>

namespace paper {

using json = nlohmann::ordered_json;

namespace {

json read_json(const std::filesystem::path& path) {
  std::ifstream file(path);
  try {
    return json::parse(file);
  } catch (const json::exception& error) {
    throw std::runtime_error(fewstep::message(path.string(), ": cannot be read: ", error.what()));
  }
}

}  // namespace

double as_written(float value) {
  std::string text;
  fewstep::append_number(text, value);
  return std::stod(text);
}

void expect_same_settings(const std::filesystem::path& folder, const json& mine) {
  const json theirs = read_json(settings_file(folder));
  for (const auto& [name, value] : mine.items()) {
    const std::string other = theirs.contains(name) ? theirs.at(name).dump() : "not said";
    fewstep::expects(other == value.dump(), [&, &key = name, &asked = value] {
      return fewstep::message(folder.string(), ": holds a run whose ", key, " is ", other, ", not ", asked.dump(),
                              "; give the same settings to go on with it, or another --output");
    });
  }
}

}  // namespace paper

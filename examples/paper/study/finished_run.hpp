// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fewstep/core/error.hpp>
#include <fewstep/monitor/learning_curves.hpp>

#include <nlohmann/json.hpp>

#include <cstddef>
#include <filesystem>
#include <stdexcept>
#include <string>
#include <vector>

namespace paper {

/// A table of numbers under headings.
struct number_table {
  std::filesystem::path path;
  std::vector<std::string> headings;
  std::vector<std::vector<double>> columns;  ///< all of the same length

  [[nodiscard]] std::size_t rows() const { return columns.empty() ? 0 : columns.front().size(); }
  /// Throws std::runtime_error naming the file if there is none of this name.
  [[nodiscard]] const std::vector<double>& operator[](const std::string& heading) const;
};

/// Throws std::runtime_error naming file and line for what is no such table, a last line without its end included.
[[nodiscard]] number_table read_number_table(const std::filesystem::path& path);

/// The results of a finished `paper train`.
struct finished_run {
  std::filesystem::path folder;
  nlohmann::json settings, summary;
  number_table curve, held_out;

  /// A column of the held-out evaluations over another one, e.g. "reward" over "training_seconds".
  [[nodiscard]] fewstep::run_curve over(const std::string& x, const std::string& y) const {
    return {held_out[x], held_out[y]};
  }
};

/// Whether there is a folder with a run that has come to its end.
/// Throws std::runtime_error naming the file if its summary is damaged.
[[nodiscard]] bool has_finished(const std::filesystem::path& folder);

/// Throws std::runtime_error naming the folder or the file if the run is missing, has not finished, or its files are
/// damaged or contradict one another.
[[nodiscard]] finished_run read_finished_run(const std::filesystem::path& folder);

/// Throws std::runtime_error naming the file if it is missing or no JSON object.
[[nodiscard]] nlohmann::json read_json(const std::filesystem::path& path);

/// A value of an object that this file holds, or `otherwise` where there is none of this name.
/// Throws std::runtime_error naming the file if it is of another kind.
template <class Value>
[[nodiscard]] Value value_of(const nlohmann::json& object, const char* name, Value otherwise,
                             const std::filesystem::path& file) {
  try {
    return object.value(name, otherwise);
  } catch (const nlohmann::json::exception&) {
    throw std::runtime_error(fewstep::message(file.string(), ": is damaged: '", name, "' is ", object.at(name).dump()));
  }
}

}  // namespace paper

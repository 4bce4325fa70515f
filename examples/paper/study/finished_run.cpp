// SPDX-License-Identifier: Apache-2.0
#include "finished_run.hpp"

#include <fewstep/core/error.hpp>
#include <fewstep/io/file.hpp>
#include <fewstep/io/parse_number.hpp>

#include <algorithm>
#include <cmath>
#include <stdexcept>
#include <string_view>

namespace paper {

namespace fs = std::filesystem;
using fewstep::message;

namespace {

std::string text_of_file(const fs::path& path) {
  const auto bytes = fewstep::read_file(path);
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

std::vector<std::string_view> split(std::string_view line) {
  std::vector<std::string_view> fields;
  for (;;) {
    const auto comma = line.find(',');
    fields.push_back(line.substr(0, comma));
    if (comma == line.npos) return fields;
    line.remove_prefix(comma + 1);
  }
}

template <class... Parts>
void require(bool condition, const Parts&... parts) {
  if (!condition) throw std::runtime_error(message(parts...));
}

/// Throws unless the columns say the same of the run as its summary, and rise where they have to.
void require_sound(const number_table& table, double updates_in_all) {
  require(table.rows() >= 2, table.path.string(), ": has ", table.rows(),
          " rows; a finished run has one before its first update and one after its last");
  const auto& updates = table["update"];
  require(updates.front() == 0 && updates.back() == updates_in_all, table.path.string(), ": goes from update ",
          updates.front(), " to ", updates.back(), ", but the summary has ", updates_in_all,
          " updates; the folder is damaged");
  for (const char* name : {"update", "training_seconds", "reward_queries", "network_calls"}) {
    const auto& x = table[name];
    for (std::size_t i = 0; i < x.size(); ++i)
      require(std::isfinite(x[i]) && (i == 0 || x[i] > x[i - 1]), table.path.string(), ":", i + 2, ": ", name, " is ",
              x[i], ", which does not rise; the file is damaged");
  }
  for (const char* name : {"reward", "retrieval", "diversity"})
    for (std::size_t i = 0; i < table.rows(); ++i)
      require(std::isfinite(table[name][i]), table.path.string(), ":", i + 2, ": ", name, " is ", table[name][i],
              "; the run diverged");
}

}  // namespace

const std::vector<double>& number_table::operator[](const std::string& heading) const {
  const auto found = std::find(headings.begin(), headings.end(), heading);
  require(found != headings.end(), path.string(), ": has no column '", heading, "'");
  return columns[static_cast<std::size_t>(found - headings.begin())];
}

number_table read_number_table(const fs::path& path) {
  const std::string text = text_of_file(path);
  number_table table{path, {}, {}};
  std::string_view rest = text;
  for (int line = 1; !rest.empty(); ++line) {
    const auto end = rest.find('\n');
    require(end != rest.npos, path.string(), ":", line, ": the line has no end; the file is damaged");
    const auto fields = split(rest.substr(0, end));
    rest.remove_prefix(end + 1);
    if (line == 1) {
      table.headings.assign(fields.begin(), fields.end());
      table.columns.resize(fields.size());
      continue;
    }
    require(fields.size() == table.headings.size(), path.string(), ":", line, ": has ", fields.size(), " fields for ",
            table.headings.size(), " columns; the file is damaged");
    for (std::size_t i = 0; i < fields.size(); ++i) {
      const auto value = fewstep::parse_number(fields[i]);
      require(value.has_value(), path.string(), ":", line, ": '", fields[i], "' is no number; the file is damaged");
      table.columns[i].push_back(*value);
    }
  }
  return table;
}

nlohmann::json read_json(const fs::path& path) {
  const std::string text = text_of_file(path);
  try {
    auto json = nlohmann::json::parse(text);
    require(json.is_object(), path.string(), ": is damaged: it is no object");
    return json;
  } catch (const nlohmann::json::exception& error) {
    throw std::runtime_error(message(path.string(), ": is damaged: ", error.what()));
  }
}

bool has_finished(const fs::path& folder) {
  const fs::path path = folder / "summary.json";
  return fs::exists(path) && value_of(read_json(path), "finished", false, path);
}

finished_run read_finished_run(const fs::path& folder) {
  require(fs::is_directory(folder), folder.string(), ": there is no such run; start it by `paper study`");
  require(fs::exists(folder / "settings.json"), folder.string(),
          ": is no folder of a run, for it has no settings.json");
  require(has_finished(folder), folder.string(), ": the run has not finished; the same `paper study` goes on with it");
  finished_run run{folder, read_json(folder / "settings.json"), read_json(folder / "summary.json"),
                   read_number_table(folder / "curve.csv"), read_number_table(folder / "held_out.csv")};
  require_sound(run.held_out, value_of(run.summary, "updates", -1.0, folder / "summary.json"));
  return run;
}

}  // namespace paper

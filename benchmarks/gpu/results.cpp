// SPDX-License-Identifier: Apache-2.0
// fewstep_gpu_results FACTS [BENCHMARKS [PEER]]: prints docs/gpu-results.md. FACTS has lines NAME<tab>TEXT, BENCHMARKS
// is the JSON of fewstep_gpu_benchmarks and PEER has the lines of JSON of peer.py. A file that is not there is left
// out.
#include <nlohmann/json.hpp>

#include <cstdio>
#include <exception>
#include <fstream>
#include <iterator>
#include <stdexcept>
#include <string>

namespace {

using nlohmann::json;
using std::string;

/// printf into a string.
template <class... Values>
string text(const char* format, Values... values) {
  char characters[64];
  std::snprintf(characters, sizeof(characters), format, values...);
  return characters;
}

/// Three digits and a prefix.
string si(double x, const string& unit) {
  const char* const prefixes[] = {"n", "u", "m", "", "k", "M", "G", "T", "P"};
  x *= 1e9;
  std::size_t prefix = 0;
  for (; x >= 999.5 && prefix + 1 < std::size(prefixes); ++prefix) x /= 1000;
  return text(x >= 99.95 ? "%.0f " : x >= 9.995 ? "%.1f " : "%.2f ", x) + prefixes[prefix] + unit;
}

/// A row of a table.
template <class... Cells>
void row(const Cells&... cells) {
  std::string line = "|";
  ((line += cells.empty() ? " |" : " " + cells + " |"), ...);
  std::puts(line.c_str());
}

double seconds_in(const string& unit) {
  if (unit == "ns") return 1e-9;
  if (unit == "us") return 1e-6;
  if (unit == "ms") return 1e-3;
  if (unit == "s") return 1;
  throw std::runtime_error("gpu_results: the unit of time is '" + unit + "', not ns, us, ms or s");
}

string rate(const json& benchmark) {
  if (benchmark.contains("FLOP")) return si(benchmark.at("FLOP"), "FLOP/s");
  if (benchmark.contains("bytes")) return si(benchmark.at("bytes"), "B/s");
  if (benchmark.contains("items")) return si(benchmark.at("items"), "/s");
  return "";
}

string share(const json& benchmark) {
  if (benchmark.contains("of_peak")) return text("%.3f of peak", benchmark.at("of_peak").get<double>());
  if (benchmark.contains("of_copy")) return text("%.3f of a copy", benchmark.at("of_copy").get<double>());
  return "";
}

/// A benchmark that ran several times shows its median only.
void print_benchmarks(std::istream& file) {
  std::puts(R"(
## Benchmarks

Medians. A rate without a unit counts items. Shares are of ceilings measured in the same process: a copy that touches as
many bytes, or a large product by cuBLASLt in the same compute type. `copy/*`, `matrix/*` and `launch/*` are the
ceilings themselves.

| benchmark | time | rate | share |
|---|---|---|---|)");
  const json all = json::parse(file);
  for (const json& benchmark : all.at("benchmarks")) {
    const string name = benchmark.at("run_name");
    if (benchmark.value("error_occurred", false)) {
      row(name, "FAILED: " + benchmark.value("error_message", ""), string(), string());
    } else if (benchmark.value("aggregate_name", "") == "median" ||
               (benchmark.at("run_type") == "iteration" && benchmark.value("repetitions", 1) <= 1)) {
      const double time = benchmark.at("real_time").get<double>() * seconds_in(benchmark.at("time_unit"));
      row(name, si(time, "s"), rate(benchmark), share(benchmark));
    }
  }
}

/// Two cells: what one way of PyTorch takes, and the ratio.
string way(const json& comparison, const char* which) {
  if (!comparison.contains(which)) return "|";
  const json& side = comparison.at(which);
  return side.at("way").get<string>() + ", " + si(side.at("seconds"), "s") + " | " +
         text("%.2f (%.2f to %.2f)", side.at("ratio").get<double>(), side.at("low").get<double>(),
              side.at("high").get<double>());
}

void print_peer(std::istream& file) {
  std::puts(R"(
## Beside PyTorch

Medians of runs in turns on one GPU. A ratio is PyTorch's time over fewstep's with a 95 % interval: above 1, fewstep is
faster.
)");
  for (string line; std::getline(file, line);) {
    const json entry = json::parse(line);
    if (entry.at("kind") == "about") {
      std::printf("PyTorch %s with Python %s.\n\n", entry.at("pytorch").get<string>().c_str(),
                  entry.at("python").get<string>().c_str());
      std::puts("| workload | arithmetic | fewstep | PyTorch, fastest | ratio | PyTorch, eager | ratio |");
      std::puts("|---|---|---|---|---|---|---|");
    } else if (entry.at("kind") == "comparison") {
      row(entry.at("title").get<string>(), entry.at("arithmetic").get<string>(), si(entry.at("fewstep_seconds"), "s"),
          way(entry, "fastest"), way(entry, "eager"));
    } else if (entry.at("kind") == "end" && !entry.at("failures").empty()) {
      std::printf("\nNot measured: %s\n", entry.at("failures").dump().c_str());
    }
  }
}

/// Prints what the file has; the figures of a program that died are not whole, and the page says so.
template <class Print>
void print_part(const char* path, Print print) {
  std::ifstream file(path);
  if (file.peek() == std::ifstream::traits_type::eof()) return;
  try {
    print(file);
  } catch (const json::exception& error) {
    std::printf("\nThe figures end here: %s\n", error.what());
  }
}

void print_page(int count, char** paths) {
  std::ifstream facts(paths[0]);
  if (!facts) throw std::runtime_error(string("gpu_results: cannot read '") + paths[0] + "'");
  std::puts(R"(# Results on a GPU

`./run gpu` has written this page; it is not edited by hand. All figures were measured on the machine below.

| | |
|---|---|)");
  for (string line; std::getline(facts, line);) {
    const auto tab = line.find('\t');
    row(line.substr(0, tab), tab == string::npos ? string() : line.substr(tab + 1));
  }
  if (count > 1) print_part(paths[1], print_benchmarks);
  if (count > 2) print_part(paths[2], print_peer);
}

}  // namespace

int main(int count, char** arguments) try {
  if (count < 2 || count > 4) {
    std::fputs("usage: fewstep_gpu_results FACTS [BENCHMARKS [PEER]]\n", stderr);
    return 2;
  }
  print_page(count - 1, arguments + 1);
} catch (const std::exception& error) {
  std::fprintf(stderr, "%s\n", error.what());
  return 1;
}

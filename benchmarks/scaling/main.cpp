// SPDX-License-Identifier: Apache-2.0
// How the time and the memory of an RLCM update of the U-Net grow with batch, horizon, width, side and threads.
#include "../account/accounting_backend.hpp"
#include "../default_unet.hpp"
#include "../units.hpp"
#include "power_law.hpp"
#include "resident_memory.hpp"

#include <fewstep/log/svg_plot.hpp>
#include <fewstep/testing/benchmark.hpp>

#include <algorithm>
#include <array>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <ctime>
#include <exception>
#include <filesystem>
#include <functional>
#include <limits>
#include <string>
#include <thread>
#include <vector>

namespace {

using namespace fewstep;

struct settings {
  bool quick = false;
  std::filesystem::path output;  ///< of the pictures; empty: none are drawn
};

double wall_seconds() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}
/// Of the process: on one thread the time that a busy machine leaves alone.
double processor_seconds() { return static_cast<double>(std::clock()) / CLOCKS_PER_SEC; }

/// Best time of f() in half a second, or in `least` calls where they take less than four seconds, after one that is
/// not counted.
template <class F>
double best_seconds(const F& f, int least, double (*now)() = wall_seconds) {
  f();
  double best = std::numeric_limits<double>::infinity();
  const double begin = now();
  for (int call = 0; call == 0 || now() - begin < (call < least ? 4.0 : 0.5); ++call) {
    const double start = now();
    f();
    best = std::min(best, now() - start);
  }
  return best;
}

/// One update: what is varied, around the default U-Net.
struct configuration {
  int batch = 32, horizon = 2;
  index_t width = 48;  ///< channels of the finer of two resolutions; the coarser has twice as many
  index_t side = 32;

  [[nodiscard]] unet_options unet() const {
    unet_options o;
    o.widths = {width, 2 * width};
    o.height = o.width = side;
    return o;
  }
};

auto make_trainer(cpu_backend& backend, text_unet<cpu_backend>& model, int batch, int horizon) {
  return rlcm(backend, model,
              policy_gradient_parts{.reward = per_sample([](vec<const float> x, const auto&) { return x[0]; }),
                                    .optimizer = adamw{.learning_rate = 0.0f},
                                    .sampler = consistency_sampler{.last = last_step::stochastic}},
              {.horizon = horizon, .batch = {.prompts = batch, .samples_per_prompt = 1}});
}

/// Operations of one prediction of one picture, counted while it is made.
double counted_operations(const configuration& c) {
  accounting::accounting_backend backend({.threads = 1});
  auto model = default_unet(backend, c.unet());
  auto workspace = model.make_workspace(backend, 1);
  const index_t d = model.sample_size();
  std::vector<float> x(static_cast<std::size_t>(d)), o(x.size());
  const float time = 1;
  const token_list context{{1, 2, 3}};
  model.predict(backend, {{x.data(), {1, d}}, {&time, {1}}, {&context, {1}}}, {o.data(), {1, d}}, workspace);
  return backend.spent().total().done.operations;
}

struct figures {
  double seconds = 0, operations = 0;
  std::size_t workspace = 0, planned = 0, peak = 0;
};

figures measure(const configuration& c, int least) {
  figures f;
  const resident_memory memory;
  cpu_backend backend({.threads = 1});
  auto model = default_unet(backend, c.unet());
  auto trainer = make_trainer(backend, model, c.batch, c.horizon);
  const std::vector<token_list> contexts{{{1, 2, 3}}};
  f.seconds = best_seconds([&] { trainer.update(contexts); }, least, processor_seconds);
  f.peak = memory.peak();
  f.planned = trainer.memory().total();
  const index_t trained = trainer.table().trained * index_t{c.batch};
  f.workspace = model.workspace_bytes(backend, trained);
  // A backward pass is two forward passes.
  f.operations = counted_operations(c) * (c.batch * c.horizon + 3.0 * static_cast<double>(trained));
  return f;
}

/// Points of one series.
struct series {
  std::string name;
  std::vector<double> x = {}, seconds = {}, operations = {}, workspace = {};
};

std::string bytes_text(std::size_t bytes) { return bytes > 0 ? scaled_text(static_cast<double>(bytes), "B") : "-"; }

/// Measures and prints; `memory_exponent` is that of the activations.
series run_series(const settings& s, const std::string& name, std::vector<double> values, double memory_exponent,
                  const std::function<configuration(double)>& at) {
  if (s.quick) values.resize(2);
  series points{name};
  std::printf("%-10s %10s %12s %14s %12s %12s %12s\n", name.c_str(), "update", "a sample", "rate", "workspace",
              "planned", "peak");
  for (const double value : values) {
    const configuration c = at(value);
    const figures f = measure(c, s.quick ? 1 : 2);
    points.x.push_back(value);
    points.seconds.push_back(f.seconds);
    points.operations.push_back(f.operations);
    points.workspace.push_back(static_cast<double>(f.workspace));
    std::printf("%-10g %10s %12s %14s %12s %12s %12s\n", value, duration_text(f.seconds).c_str(),
                duration_text(f.seconds / c.batch).c_str(), scaled_text(f.operations / f.seconds, "FLOP/s").c_str(),
                bytes_text(f.workspace).c_str(), bytes_text(f.planned).c_str(), bytes_text(f.peak).c_str());
    std::fflush(stdout);
  }
  std::printf("exponent of the time %.2f (of the operations %.2f), of the workspace %.2f (of the activations %.0f)\n\n",
              fitted_exponent(points.x, points.seconds), fitted_exponent(points.x, points.operations),
              fitted_exponent(points.x, points.workspace), memory_exponent);
  return points;
}

/// Best time of every part of an update of 64 samples on so many threads.
std::vector<double> times_of_parts(int threads, bool quick) {
  const index_t batch = quick ? 16 : 64;
  const int least = quick ? 1 : 3;
  cpu_backend backend({.threads = threads});
  auto model = default_unet(backend);
  const index_t d = model.sample_size();
  detail::benchmark_rows<text_unet<cpu_backend>> rows(backend, model, batch, {{1, 2, 3}});
  cpu_tensor<float, 2> noise(backend, {batch, d});
  const adamw optimizer;
  auto moments = make_optimizer_state(optimizer, backend, model.parameters().size());
  auto trainer = make_trainer(backend, model, static_cast<int>(batch), 2);
  const step_row row = trainer.table().rows.front();
  std::vector<score> scores(static_cast<std::size_t>(batch));
  const std::vector<token_list> contexts{{{1, 2, 3}}};
  return {best_seconds([&] { model.predict(backend, rows.seen(), rows.o.view(), rows.workspace); }, least),
          best_seconds(
              [&] {
                model.forward(backend, rows.seen(), rows.o.view(), rows.workspace);
                model.backward(backend, rows.seen(), rows.x.view(), rows.workspace);
              },
              least),
          best_seconds(
              [&] {
                backend.parallel_for(batch, [&](auto&, int, index_t r) {
                  scores[static_cast<std::size_t>(r)] = score_transition(
                      {rows.x.view().row(r), noise.view().row(r), &row}, rows.o.view().row(r), d, reduction::mean,
                      clipped_surrogate{1e-4f}, -1.0, 0.5f, 0, static_cast<double>(batch), {}, 0.0f);
                });
              },
              least),
          best_seconds(
              [&] {
                optimizer_step(optimizer, backend, moments, {model.parameters(), model.gradients()}, {0.0f, 1.0f});
              },
              least),
          best_seconds(
              [&] {
                backend.parallel_for(batch, [&](auto&, int, index_t r) {
                  fill_normal({1, stream::evaluation}, static_cast<std::uint64_t>(r), 0, noise.view().row(r), d);
                });
              },
              least),
          best_seconds([&] { trainer.update(contexts); }, least)};
}

void print_threads(const settings& s) {
  constexpr std::array names = {"predict", "forward and backward", "score kernel", "AdamW", "noise", "whole update"};
  std::vector<int> threads{1, 2};
  const int most = s.quick ? 2 : static_cast<int>(std::thread::hardware_concurrency());
  while (2 * threads.back() <= most) threads.push_back(2 * threads.back());
  std::vector<std::vector<double>> seconds;
  for (const int t : threads) seconds.push_back(times_of_parts(t, s.quick));
  std::printf("%-22s", "part, by threads");
  for (const int t : threads) std::printf(" %18d", t);
  std::printf("\n");
  for (std::size_t part = 0; part < names.size(); ++part) {
    std::printf("%-22s", names[part]);
    for (const auto& column : seconds)
      std::printf(" %10s (x%4.2f)", duration_text(column[part]).c_str(), seconds.front()[part] / column[part]);
    std::printf("\n");
  }
  std::printf("\n");
}

/// All series on one pair of axes: doublings of the cost over doublings of what is varied.
void draw(const std::filesystem::path& path, const std::string& title, const std::string& y_label,
          const std::vector<series>& all, std::vector<double> series::*cost) {
  std::vector<plot_series> curves;
  double longest = 0;
  for (const series& one : all) {
    plot_series curve{.name = one.name};
    for (std::size_t i = 0; i < one.x.size(); ++i) {
      curve.x.push_back(std::log2(one.x[i] / one.x[0]));
      curve.y.push_back(std::log2((one.*cost)[i] / (one.*cost)[0]));
    }
    longest = std::max(longest, curve.x.back());
    curves.push_back(std::move(curve));
  }
  for (const double slope : {1.0, 2.0})
    curves.push_back({.name = message("slope ", slope), .x = {0, longest / slope}, .y = {0, longest}});
  write_svg_plot(path, {.title = title, .x_label = "doublings of what is varied", .y_label = y_label}, curves);
}

void run(const settings& s) {
  std::printf(
      "RLCM updates of the U-Net on one thread, all steps trained; 32 samples, 2 steps, the default width and 32 x 32\n"
      "pixels but for what is varied. Best of the processor times. The workspace is what it would take to replay all\n"
      "rows at once; within the memory budget of 1 GiB the plan has room for a part of them. Peaks are measured.\n\n");
  std::vector<series> all;
  all.push_back(run_series(s, "batch", {16, 32, 64, 128, 256, 512}, 1,
                           [](double v) { return configuration{.batch = static_cast<int>(v)}; }));
  all.push_back(run_series(s, "horizon", {1, 2, 4, 8, 16}, 1,
                           [](double v) { return configuration{.horizon = static_cast<int>(v)}; }));
  all.push_back(run_series(s, "width", {16, 32, 48, 64, 80, 96}, 1,
                           [](double v) { return configuration{.width = static_cast<index_t>(v)}; }));
  all.push_back(
      run_series(s, "side", {16, 32, 64}, 2, [](double v) { return configuration{.side = static_cast<index_t>(v)}; }));
  print_threads(s);
  if (s.output.empty()) return;
  std::filesystem::create_directories(s.output);
  draw(s.output / "scaling_time.svg", "Time of an update", "doublings of the time", all, &series::seconds);
  draw(s.output / "scaling_memory.svg", "Workspace of an update", "doublings of the bytes", all, &series::workspace);
  std::printf("drawn: scaling_time.svg and scaling_memory.svg in %s\n", s.output.c_str());
}

}  // namespace

int main(int argc, char** argv) try {
  settings s;
  for (int i = 1; i < argc; ++i) {
    const std::string option = argv[i];
    if (option == "--quick") {
      s.quick = true;
    } else if (option == "--output" && i + 1 < argc) {
      s.output = argv[++i];
    } else {
      std::fprintf(stderr, "usage: %s [--quick] [--output FOLDER]\n", argv[0]);
      return 2;
    }
  }
  run(s);
  return 0;
} catch (const std::exception& failure) {
  std::fprintf(stderr, "scaling: %s\n", failure.what());
  return 1;
}

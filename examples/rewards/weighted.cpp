// SPDX-License-Identifier: Apache-2.0
#include <fewstep/fewstep.hpp>
#include <fewstep/log/metrics_csv.hpp>
#include <fewstep/log/svg_plot.hpp>

#include <cmath>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <numeric>
#include <string>
#include <vector>

int main() {
  fewstep::cpu_backend backend({.threads = 1});
  fewstep::mlp_generator<fewstep::cpu_backend> generator(backend, {.preconditioner = {.sigma_max = 2.0f}});

  // Two wishes that cannot both be granted: to be near (1, 0), and to be small. They are weighed against each other in
  // one reward, and each has a curve of its own.
  auto near = fewstep::per_sample(
      [](fewstep::vec<const float> x, std::int32_t) { return -(x[0] - 1) * (x[0] - 1) - x[1] * x[1]; });
  auto small =
      fewstep::per_sample([](fewstep::vec<const float> x, std::int32_t) { return -x[0] * x[0] - x[1] * x[1]; });
  fewstep::weighted_sum both(fewstep::weighted{0.7f, near, "near"}, fewstep::weighted{0.3f, small, "small"});

  auto trainer = fewstep::rlcm(backend, generator, both, fewstep::adam{.learning_rate = 1e-3f},
                               {.horizon = 3, .batch = {.prompts = 1, .samples_per_prompt = 256}});
  const auto folder = std::filesystem::temp_directory_path();
  fewstep::metrics_csv table(folder / "weighted_reward.csv", {"reward", "near", "small"});
  std::vector<fewstep::plot_series> curves{{.name = "reward"}, {.name = "near"}, {.name = "small"}};

  for (const auto& update : trainer.run(std::vector<std::int32_t>{0}, 101)) {
    // The trainer holds the reward; it keeps what its parts gave the last batch, before weighting.
    const auto mean = [&](const char* part) {
      const auto values = trainer.parts().reward.values(part);
      return std::accumulate(values.begin(), values.end(), 0.0) / static_cast<double>(values.size());
    };
    const std::vector<double> row{update.reward_mean, mean("near"), mean("small")};
    table.append(update.index, row);
    for (std::size_t i = 0; i < row.size(); ++i) {
      curves[i].x.push_back(static_cast<double>(update.index));
      curves[i].y.push_back(row[i]);
    }
    if (update.index % 50 == 0)
      std::printf("update %3d: reward %.1f, near %.1f, small %.1f\n", static_cast<int>(update.index), row[0], row[1],
                  row[2]);
  }
  fewstep::write_svg_plot(folder / "weighted_reward.svg", {.title = "Two rewards", .x_label = "update"}, curves);
  std::printf("curves in weighted_reward.csv and weighted_reward.svg\n");
}

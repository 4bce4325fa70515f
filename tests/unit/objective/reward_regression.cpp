// SPDX-License-Identifier: Apache-2.0
#include "test.hpp"

#include <fewstep/objective/reward_regression.hpp>

#include <random>
#include <vector>

using fewstep::reward_regression;

namespace {

/// The paper's equation, pair by pair.
double loss_of_pairs(const std::vector<double>& log_ratios, const std::vector<float>& advantages, std::size_t n,
                     double eta) {
  double loss = 0;
  for (std::size_t first = 0; first < log_ratios.size(); first += n) {
    double sum = 0;
    for (std::size_t i = first; i < first + n; ++i)
      for (std::size_t j = first; j < i; ++j) {
        const double error = (log_ratios[i] - log_ratios[j]) / eta -
                             (static_cast<double>(advantages[i]) - static_cast<double>(advantages[j]));
        sum += error * error;
      }
    loss += sum / (static_cast<double>(n * (n - 1)) / 2);
  }
  return loss / static_cast<double>(log_ratios.size() / n);
}

}  // namespace

TEST_CASE("REBEL's value and slopes are those of its regression, for pairs and for groups") {
  const std::size_t n = GENERATE(std::size_t{2}, std::size_t{3}, std::size_t{5}), count = 4 * n;
  const float eta = GENERATE(1.0f, 0.25f);
  const unsigned seed = 5;
  CAPTURE(seed, n, eta);
  std::mt19937 random(seed);
  std::normal_distribution<float> normal;
  std::vector<double> log_ratios(count);
  std::vector<float> advantages(count), slopes(count), scratch(count);
  for (std::size_t i = 0; i < count; ++i) {
    log_ratios[i] = static_cast<double>(normal(random));
    advantages[i] = normal(random);
  }
  const reward_regression o{.eta = eta};
  const double e = static_cast<double>(eta);
  CHECK(o(log_ratios, advantages, static_cast<int>(n), slopes) == Approx(-loss_of_pairs(log_ratios, advantages, n, e)));
  for (std::size_t i = 0; i < count; ++i) {
    auto high = log_ratios, low = log_ratios;
    constexpr double h = 1e-5;
    high[i] += h;
    low[i] -= h;
    const double derivative = -(loss_of_pairs(high, advantages, n, e) - loss_of_pairs(low, advantages, n, e)) / (2 * h);
    CHECK(static_cast<double>(slopes[i]) == Approx(derivative * static_cast<double>(count)).epsilon(1e-5).margin(1e-6));
  }
}

TEST_CASE("REBEL has nothing to do where log-ratios explain the advantages") {
  const std::vector<double> log_ratios{0.5, -1.0, 2.0, 2.0};
  const std::vector<float> advantages{1.5f, 0.0f, -4.0f, -4.0f};  // any constant within a prompt
  std::vector<float> slopes(4);
  CHECK(reward_regression{}(log_ratios, advantages, 2, slopes) == 0);
  CHECK(slopes == std::vector<float>(4));
}

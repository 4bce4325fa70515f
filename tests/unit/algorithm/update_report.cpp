// SPDX-License-Identifier: Apache-2.0
#include "test.hpp"

#include <fewstep/algorithm/update_report.hpp>

#include <cmath>
#include <cstdint>
#include <limits>
#include <string>
#include <vector>

using fewstep::score;
using fewstep::update_report;

TEST_CASE("update_report has the mean reward, its standard error and the share of prompts without a spread") {
  const std::vector<float> rewards = {1, 1, 4, 6, 5, 5};
  const auto report = update_report::of(7, rewards, std::vector<std::int32_t>{3, 3, 0, 0, 1, 1});
  CHECK(report.index == 7);
  CHECK(report.reward_mean == Approx(22.0 / 6));
  double squares = 0;
  for (const float r : rewards) squares += std::pow(static_cast<double>(r) - 22.0 / 6, 2);
  CHECK(report.reward_error == Approx(std::sqrt(squares / 5 / 6)));
  CHECK(report.zero_variance == Approx(2.0 / 3));
  CHECK(update_report::of(0, std::vector<float>{2}, std::vector<std::int32_t>{0}).reward_error == 0);
}

TEST_CASE("update_report averages what its transitions gave") {
  // Two optimizer steps of two rows each.
  update_report report;
  report.add(score{-1, 0.0f, 1.0f, 2.0f, 0.5}, 2, 0.1f, 0.2f);
  report.add(score{-1, 0.2f, 1.25f, 4.0f, 1.5}, 2, 0.1f, 0.2f);
  report.policy_kl += 0.8;
  report.add(score{-1, -0.4f, 0.5f, 0.0f, 0.0}, 2, 0.1f, 0.2f);
  report.add(score{-1, 0.0f, 1.0f, -2.0f, 0.0}, 2, 0.1f, 0.2f);
  report.average_over(2, 4);
  CHECK(report.policy_kl == Approx(0.2));
  CHECK(report.loss == Approx(((0.2 * 0.5 - 2 + 0.2 * 1.5 - 4) / 2 + (0.0 + 2) / 2) / 2));
  CHECK(report.ratio_mean == Approx(3.75 / 4));
  CHECK(report.ratio_deviation == 0.5);
  CHECK(report.clip_fraction == 0.5);
  CHECK(report.clip_asymmetry == 0);  // one above, one below
  CHECK(report.approximate_kl == Approx(0.5 * (0.04 + 0.16) / 4));
  CHECK(report.reference_kl == Approx(0.5));
}

TEST_CASE("clip_asymmetry says to which side ratios leave the band") {
  update_report report;
  for (const float ratio : {1.2f, 1.3f, 0.7f, 1.0f}) report.add(score{-1, 0.0f, ratio, 0, 0}, 4, 0.1f, 0);
  report.average_over(1, 4);
  CHECK(report.clip_fraction == 0.75);
  CHECK(report.clip_asymmetry == 0.25);
}

TEST_CASE("clip_fraction knows a band that is wider above") {
  update_report report;
  for (const float ratio : {1.25f, 1.3f, 0.75f, 0.85f}) report.add(score{-1, 0.0f, ratio, 0, 0}, 4, {0.2f, 0.28f}, 0);
  report.average_over(1, 4);
  CHECK(report.clip_fraction == 0.5);   // 1.3 and 0.75
  CHECK(report.clip_asymmetry == 0.0);  // one each
}

TEST_CASE("ratios of exactly 1 have a mean of exactly 1, whatever their number") {
  update_report report;
  for (int i = 0; i < 1001; ++i) report.add(score{-1, 0.0f, 1.0f, 0.1f, 0}, 1001, 1e-4f, 0);
  report.average_over(1, 1001);
  CHECK(report.ratio_mean == 1.0);
  CHECK(report.ratio_deviation == 0.0);
  CHECK(report.clip_fraction == 0.0);
}

namespace {

struct counting_trainer {
  using context_type = int;
  int made = 0;
  update_report update(std::span<const int>) {
    update_report report;
    report.index = made++;
    return report;
  }
};

}  // namespace

TEST_CASE("update_range makes each update when it is asked for") {
  counting_trainer trainer;
  fewstep::update_range<counting_trainer> range(trainer, {0}, 3);
  CHECK(trainer.made == 0);
  int seen = 0;
  for (const auto& report : range) {
    CHECK(report.index == seen);
    CHECK(trainer.made == ++seen);
  }
  CHECK(seen == 3);
  for (const auto& report : fewstep::update_range<counting_trainer>(trainer, {0}, 0)) FAIL(report.index);
}

// SPDX-License-Identifier: Apache-2.0
// score_transition against PyTorch's clipped surrogate (tests/python/reference_rlcm.py).
#include "support/pytorch_reference.hpp"
#include "test.hpp"

#include <fewstep/algorithm/update_report.hpp>
#include <fewstep/mdp/score.hpp>
#include <fewstep/objective/clipped_surrogate.hpp>
#include <fewstep/objective/reinforce.hpp>

#include <cmath>
#include <string>
#include <vector>

using fewstep::index_t;
using fewstep::reduction;
using fewstep::test::relative_error;

namespace {

constexpr index_t rows = 22, dimension = 48;

/// The transitions of the file, scored with an objective and a KL coefficient.
struct scored_file {
  std::vector<float> gradient;
  std::vector<double> log_probability, ratio, kl;
  fewstep::update_report report;

  template <class Objective>
  scored_file(const fewstep::test::pytorch_reference& file, reduction over, const Objective& value, bool reference,
              bool advantages, double rows_of_mean = rows)
      : gradient(file.flat<float>("o")) {
    const std::string prefix = over == reduction::mean ? "mean." : "sum.";
    const auto x = file.flat<float>("x"), next = file.flat<float>("next_x"), o_ref = file.flat<float>("o_ref"),
               a = file.flat<float>("a"), b = file.flat<float>("b"), sigma = file.flat<float>("sigma"),
               advantage = file.flat<float>("advantages"), old = file.flat<float>(prefix + "old_log_prob");
    for (index_t r = 0; r < rows; ++r) {
      const auto i = static_cast<std::size_t>(r);
      const fewstep::step_row row{1, 0, a[i], b[i], sigma[i], 1, 0, 1};
      const auto s =
          score_transition({&x[i * dimension], &next[i * dimension], &row}, &gradient[i * dimension], dimension, over,
                           value, static_cast<double>(old[i]), advantages ? advantage[i] : 0.0f, 0, rows_of_mean,
                           {reference ? &o_ref[i * dimension] : nullptr}, reference ? 1.0f : 0.0f);
      log_probability.push_back(s.log_probability);
      ratio.push_back(static_cast<double>(s.ratio));
      kl.push_back(s.reference_kl);
      report.add(s, rows_of_mean, clip_of(value), reference ? 1.0f : 0.0f);
    }
    report.average_over(1, rows);
  }

 private:
  static float clip_of(const fewstep::clipped_surrogate& value) { return value.clip_range.low; }
  static float clip_of(const fewstep::reinforce&) { return INFINITY; }
};

}  // namespace

TEST_CASE("score_transition gives PyTorch's log-probabilities, ratios, losses and gradients") {
  const fewstep::test::pytorch_reference file("rlcm_loss.safetensors");
  const auto over = GENERATE(reduction::mean, reduction::sum);
  const std::string clip = GENERATE(std::string("1e-4"), std::string("0.2"));
  const std::string prefix = over == reduction::mean ? "mean." : "sum.", clipped = prefix + "clip_" + clip + ".";
  CAPTURE(prefix, clip);

  const scored_file scored(file, over, fewstep::clipped_surrogate{std::stof(clip)}, false, true);
  CHECK(relative_error(scored.log_probability, file.flat<double>(prefix + "log_prob")) < 1e-6);
  CHECK(relative_error(scored.ratio, file.flat<double>(prefix + "ratio")) < (over == reduction::mean ? 1e-6 : 3e-5));
  CHECK(relative_error(scored.gradient, file.flat<double>(clipped + "grad.o")) < 3e-5);
  CHECK(scored.report.loss == Approx(file.flat<double>(clipped + "loss")[0]).epsilon(1e-5));
  CHECK(scored.report.clip_fraction == Approx(file.flat<double>(clipped + "clip_fraction")[0]).epsilon(1e-6));
  CHECK(scored.report.approximate_kl == Approx(file.flat<double>(prefix + "approximate_kl")[0]).epsilon(1e-5));
  const auto ratio = file.flat<double>(prefix + "ratio");
  double mean = 0, largest = 0;
  for (const double r : ratio) {
    mean += r / rows;
    largest = std::max(largest, std::abs(r - 1));
  }
  CHECK(scored.report.ratio_mean == Approx(mean).epsilon(1e-5));
  CHECK(scored.report.ratio_deviation == Approx(largest).epsilon(1e-5));
}

TEST_CASE("score_transition gives PyTorch's KL to a reference and its gradient") {
  const fewstep::test::pytorch_reference file("rlcm_loss.safetensors");
  const auto over = GENERATE(reduction::mean, reduction::sum);
  const std::string prefix = over == reduction::mean ? "mean." : "sum.";
  CAPTURE(prefix);

  const scored_file scored(file, over, fewstep::reinforce{}, true, false);
  CHECK(relative_error(scored.kl, file.flat<double>(prefix + "kl")) < 1e-6);
  CHECK(relative_error(scored.gradient, file.flat<double>(prefix + "kl.grad.o")) < 1e-6);
  CHECK(scored.report.loss == Approx(file.flat<double>(prefix + "kl.loss")[0]).epsilon(1e-6));
  CHECK(scored.report.reference_kl == Approx(file.flat<double>(prefix + "kl.loss")[0]).epsilon(1e-6));
}

TEST_CASE("score_transition without clipping gives PyTorch's gradient of the log-probability") {
  const fewstep::test::pytorch_reference file("rlcm_loss.safetensors");
  const auto over = GENERATE(reduction::mean, reduction::sum);
  const std::string prefix = over == reduction::mean ? "mean." : "sum.";
  const scored_file scored(file, over, fewstep::reinforce{}, false, true, 1.0);
  auto expected = file.flat<double>(prefix + "grad.log_prob");
  const auto advantage = file.flat<double>("advantages");
  for (std::size_t i = 0; i < expected.size(); ++i) expected[i] *= -advantage[i / dimension];
  CHECK(relative_error(scored.gradient, expected) < 3e-6);
}

// SPDX-License-Identifier: Apache-2.0
// Coefficients are rounded to float before they are used in double, which g++ 12 leaves out at -O2 and -O3 where two
// stand side by side. This file is compiled with -O3, and volatile makes every rounding of the expected values happen.
#include "test.hpp"

#include <fewstep/generator/rescaled.hpp>
#include <fewstep/sampler/ddim.hpp>
#include <fewstep/sampler/flow_sde.hpp>

#include <cmath>
#include <vector>

using fewstep::coefficients;
using fewstep::step_row;

namespace {

float rounded(double value) {
  volatile float kept = static_cast<float>(value);
  return kept;
}

/// Karras et al. 2022, table 1, for a state that was multiplied by 1 / s.
coefficients expected(double sigma_data, double floor, double sigma, double s) {
  const double variance = sigma_data * sigma_data, above = sigma - floor, total = std::sqrt(sigma * sigma + variance);
  return {rounded(s * static_cast<double>(rounded(1 / total))),
          rounded(s * static_cast<double>(rounded(variance / (above * above + variance)))),
          rounded(sigma_data * above / total)};
}

std::vector<float> many_sigmas() {
  std::vector<float> sigmas;
  for (int i = 0; i < 1000; ++i) sigmas.push_back(0.01f * std::pow(1.009f, static_cast<float>(i)));
  return sigmas;
}

// In functions of their own, as in a program whose calls are far apart.
template <class P>
[[gnu::noinline]] coefficients coefficients_at(const P& process, float time) {
  return process(time);
}
template <class P>
[[gnu::noinline]] fewstep::exact_noise_level level_at(const P& process, float time) {
  return fewstep::exact_level(process, time);
}

template <class P, class Scale>
void check_coefficients(const P& process, double floor, const Scale& scale) {
  int off = 0;
  for (const float sigma : many_sigmas()) {
    const auto found = coefficients_at(process, sigma);
    const double at = static_cast<double>(sigma);
    const auto right = expected(static_cast<double>(process.base.sigma_data), floor, at, scale(at));
    off += found.in != right.in || found.skip != right.skip || found.out != right.out;
  }
  CHECK(off == 0);
}

/// Rows have the coefficients of their times; a clean prediction times q, and what is left of the state.
template <class P, class Scale>
void check_table(const P& process, const fewstep::step_table& table, const Scale& scale) {
  for (const step_row& row : table.rows) {
    const double at = static_cast<double>(row.time);
    const auto right = expected(static_cast<double>(process.base.sigma_data), 0, at, scale(at));
    CAPTURE(row.time);
    CHECK(row.in == right.in);
    CHECK(row.skip == right.skip);
    CHECK(row.out == right.out);
  }
}

double flow_scale(double sigma) { return 1 + sigma; }
double preserving_scale(double sigma) { return std::sqrt(1 + sigma * sigma); }

/// Levels from a formula in double precision, without exact_level.
struct cosine_process {
  FEWSTEP_HD coefficients operator()(float) const { return {1, 0, 1}; }
  FEWSTEP_HD fewstep::noise_level level(float t) const {
    const double x = static_cast<double>(t), length = std::sqrt(1 + x * x);
    return {static_cast<float>(1 / length), static_cast<float>(x / length)};
  }
  FEWSTEP_HD float noise_floor() const { return 0; }
  FEWSTEP_HD float min_time() const { return 0; }
  FEWSTEP_HD float max_time() const { return 80; }
};

}  // namespace

TEST_CASE("rescaled coefficients have both of their roundings") {
  fewstep::rectified_flow<fewstep::edm_denoiser> flow;
  fewstep::rectified_flow<fewstep::edm_consistency> consistent_flow;
  fewstep::variance_preserving<fewstep::edm_denoiser> preserving;
  check_coefficients(flow, 0, flow_scale);
  check_coefficients(consistent_flow, static_cast<double>(consistent_flow.base.sigma_min), flow_scale);
  check_coefficients(preserving, 0, preserving_scale);
}

TEST_CASE("step tables of rescaled networks have both roundings of their coefficients") {
  const fewstep::rectified_flow<fewstep::edm_denoiser> flow{};
  const fewstep::variance_preserving<fewstep::edm_denoiser> preserving{};
  check_table(flow, fewstep::flow_sde_sampler{}.table(flow, 40), flow_scale);
  check_table(preserving, fewstep::ddim_sampler{.eta = 1}.table(preserving, 50), preserving_scale);
}

TEST_CASE("levels in double precision are those of the floats that a process gives") {
  const cosine_process process{};
  int off = 0;
  for (const float t : many_sigmas()) {
    const auto found = level_at(process, t);
    const double x = static_cast<double>(t), length = std::sqrt(1 + x * x);
    off += found.signal != static_cast<double>(rounded(1 / length)) ||
           found.noise != static_cast<double>(rounded(x / length));
  }
  CHECK(off == 0);
}

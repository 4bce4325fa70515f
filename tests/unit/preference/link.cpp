// SPDX-License-Identifier: Apache-2.0
#include "test.hpp"

#include <fewstep/preference/clipped_link.hpp>
#include <fewstep/preference/hinge_link.hpp>
#include <fewstep/preference/identity_link.hpp>
#include <fewstep/preference/logistic_link.hpp>
#include <fewstep/preference/odds_ratio_link.hpp>
#include <fewstep/preference/squared_link.hpp>
#include <fewstep/preference/utility_link.hpp>

#include <cmath>
#include <vector>

using namespace fewstep;

namespace {

/// The slopes of a link against central differences.
template <class Link>
void check_slopes(const Link& link, const std::vector<double>& winners, const std::vector<double>& losers,
                  double batch_mean = 0) {
  constexpr double step = 1e-6;
  for (const double w : winners)
    for (const double l : losers) {
      INFO("winner " << w << " loser " << l);
      const auto at = [&](double winner, double loser) {
        return link(member_log_ratios{winner, loser, true, true, batch_mean}).loss;
      };
      const link_value value = link({w, l, true, true, batch_mean});
      CHECK(value.winner == Approx((at(w + step, l) - at(w - step, l)) / (2 * step)).epsilon(1e-6).margin(1e-8));
      CHECK(value.loser == Approx((at(w, l + step) - at(w, l - step)) / (2 * step)).epsilon(1e-6).margin(1e-8));
    }
}

const std::vector<double> around_zero = {-1.3, -0.04, 0, 0.02, 0.7};

}  // namespace

TEST_CASE("the slopes of every link are the derivatives of its loss") {
  check_slopes(logistic_link{.beta = 1.7f}, around_zero, around_zero);
  check_slopes(logistic_link{.beta = 1.7f, .label_smoothing = 0.2f}, around_zero, around_zero);
  check_slopes(hinge_link{.beta = 0.7f}, around_zero, around_zero);
  check_slopes(squared_link{.beta = 0.7f}, around_zero, around_zero);
  check_slopes(identity_link{.scale = 2}, around_zero, around_zero);
  check_slopes(utility_link{.beta = 3}, around_zero, around_zero);
  check_slopes(utility_link{.beta = 3}, around_zero, around_zero, 0.2);
  check_slopes(clipped_link<logistic_link>{}, around_zero, around_zero);
  check_slopes(clipped_link<logistic_link>{.sides = clip_sides::both}, around_zero, around_zero);
  // without a reference log-ratios are -m / 2
  check_slopes(odds_ratio_link{.beta = 0.1f, .timesteps = 10}, {-1.2, -0.3, -0.05}, {-1.2, -0.3, -0.05});
}

TEST_CASE("at the reference the logistic link gives exactly log 2, and half of beta either way") {
  const link_value value = logistic_link{.beta = 0.1f}({});
  CHECK(value.loss == std::log(2.0));
  CHECK(value.winner == -0.5 * static_cast<double>(0.1f));
  CHECK(value.loser == 0.5 * static_cast<double>(0.1f));
  CHECK(logistic_link{.beta = 3, .label_smoothing = 0.1f}({}).loss == Approx(std::log(2.0)).epsilon(1e-15));
}

TEST_CASE("the logistic link's loss and that of the exchanged pair are of probabilities that add up to one") {
  const logistic_link link{.beta = 2};
  for (const double z : {-40.0, -3.0, 0.1, 2.0, 40.0})
    CHECK(std::exp(-link({z, 0}).loss) + std::exp(-link({0, z}).loss) == Approx(1).epsilon(1e-14));
  CHECK(link({-1e4, 0}).loss == Approx(2e4).epsilon(1e-15));  // and none overflows
  CHECK(link({1e4, 0}).loss == 0);
}

TEST_CASE("IPO's loss is least where the log-ratios differ by 1 / (2 beta)") {
  const squared_link link{.beta = 0.25f};
  CHECK(link({2.5, 0.5}).loss == 0);
  CHECK(link({2.5, 0.5}).winner == 0);
  CHECK(link({0, 0}).loss == 4);
}

TEST_CASE("the hinge leaves pairs alone that are told apart by 1 / beta") {
  const hinge_link link{.beta = 2};
  CHECK(link({0.5, 0}).loss == 0);
  CHECK(link({0.5, 0}).winner == 0);
  CHECK(link({0.25, 0}).loss == 0.5);
}

// Li et al. 2024, equation 8: at the reference sigma(0) = 1/2, whose slope is w beta / 4.
TEST_CASE("the utility of a sample at the reference is a half, and members that are missing count for nothing") {
  const utility_link link{.beta = 2};
  const link_value good = link({0, 0, true, false}), bad = link({0, 0, false, true}), pair = link({});
  CHECK(good.loss == 0.5);
  CHECK(good.winner == -0.5);
  CHECK(good.loser == 0);
  CHECK(bad.loss == 0.5);
  CHECK(bad.loser == 0.5);
  CHECK(bad.winner == 0);
  CHECK(pair.loss == 0.5);
  CHECK(pair.winner == -0.25);
  // the reference point lowers what counts as a gain, and is never below 0
  CHECK(link({0.3, 0, true, false, 0.3}).loss == 0.5);
  CHECK(link({0.3, 0, true, false, -5}).loss == link({0.3, 0, true, false, 0}).loss);
}

// Constants of the published code of D3PO: beta = .1, both ratios within [.9, 1.1].
TEST_CASE("the two-sided clip of D3PO bounds the loss, and leaves a lost winner where it is") {
  const clipped_link<logistic_link> code{.link = {.beta = 0.1f}, .range = 0.1f, .sides = clip_sides::both};
  CHECK(code({5, -5}).loss == Approx(0.683164).epsilon(1e-6));
  CHECK(code({-5, 5}).loss == Approx(0.703231).epsilon(1e-6));
  CHECK(code({-5, 5}).winner == 0);
  CHECK(code({-5, 5}).loser == 0);
  const clipped_link<logistic_link> by_label{.link = {.beta = 0.1f}};
  CHECK(by_label({-5, 5}).winner == logistic_link{.beta = 0.1f}({-5, 5}).winner);
  CHECK(by_label({-5, 5}).loser == logistic_link{.beta = 0.1f}({-5, 5}).loser);
  CHECK(by_label({5, -5}).winner == 0);
  CHECK(by_label({5, -5}).loser == 0);
  // within the range they are the link itself
  const link_value inside = logistic_link{.beta = 0.1f}({0.05, -0.05});
  CHECK(code({0.05, -0.05}).loss == inside.loss);
  CHECK(by_label({0.05, -0.05}).winner == inside.winner);
}

TEST_CASE("the odds ratio link fits the winner alone where beta is 0") {
  const link_value value = odds_ratio_link{.beta = 0}({-0.4, -0.9});
  CHECK(value.loss == Approx(0.8).epsilon(1e-12));
  CHECK(value.winner == -2);
  CHECK(value.loser == 0);
}

TEST_CASE("the odds ratio link has finite slopes for any error") {
  for (const double u : {1.0, 100.0, 720.0, 1e6}) {
    const link_value value = odds_ratio_link{}({-u, -1.1 * u});
    CHECK(std::isfinite(value.loss));
    CHECK(std::isfinite(value.winner));
    CHECK(std::isfinite(value.loser));
  }
}

TEST_CASE("the odds ratio link's values go on smoothly where its formula would divide by 0") {
  const odds_ratio_link link{.beta = 1, .timesteps = 1};
  for (const double u : {1e-5, 1e-3}) {
    const link_value below = link({-u * 0.999999, -0.3}), above = link({-u * 1.000001, -0.3});
    CHECK(below.loss == Approx(above.loss).epsilon(1e-7));
    CHECK(below.winner == Approx(above.winner).epsilon(1e-6));
  }
}

// SPDX-License-Identifier: Apache-2.0
#include "support/arrays.hpp"
#include "test.hpp"

#include <fewstep/reward/reward.hpp>
#include <fewstep/reward_model/labelling_rule.hpp>

#include <array>
#include <cmath>
#include <vector>

using fewstep::index_t;
using fewstep::matrix;
using fewstep::vec;

static_assert(fewstep::reward<fewstep::labelling_rule, int>);

namespace {

constexpr index_t side = 9;
using colour = std::array<float, 3>;
constexpr colour red{1, -1, -1}, blue{-1, -1, 1}, grey{0, 0, 0};

/// A white picture with pixels in it.
struct picture {
  std::vector<float> values = std::vector<float>(side * side * 3, 1.0f);

  picture& dot(index_t y, index_t x, colour c) {
    std::copy(c.begin(), c.end(), values.begin() + (y * side + x) * 3);
    return *this;
  }
  picture& square(index_t y, index_t x, colour c) {
    for (index_t i = 0; i < 3; ++i)
      for (index_t j = 0; j < 3; ++j) dot(y + i, x + j, c);
    return *this;
  }
  [[nodiscard]] vec<const float> view() const { return {values.data(), {side * side * 3}}; }
};

double score(const picture& p) { return fewstep::labelling_rule{}(p.view()); }

}  // namespace

TEST_CASE("labelling rule: pictures whose order is plain") {
  const picture centred = picture().square(3, 3, red), grey_one = picture().square(3, 3, grey);
  const picture at_side = picture().square(3, 6, red), at_corner = picture().square(0, 6, red);
  picture strayed = centred, more_strayed = centred;
  strayed.dot(0, 0, red).dot(8, 8, red);  // the centre of mass stays
  more_strayed.dot(0, 0, red).dot(8, 8, red).dot(0, 8, red).dot(8, 0, red);
  CHECK(score(centred) > score(at_side));
  CHECK(score(at_side) > score(at_corner));
  CHECK(score(centred) > score(grey_one));
  const fewstep::labelling_rule without_colour{.colour = 0};
  CHECK(without_colour(centred.view()) == without_colour(grey_one.view()));
  CHECK(without_colour(centred.view()) > without_colour(strayed.view()));
  CHECK(without_colour(strayed.view()) > without_colour(more_strayed.view()));
  CHECK(score(picture()) == 0);
}

TEST_CASE("labelling rule: its parts by hand") {
  const fewstep::picture_size size{side, side};
  const auto is = [](const picture& p) { return fewstep::foreground(p.view(), 0.1f); };
  CHECK(fewstep::centredness(is(picture().square(3, 3, red)), size) == Approx(1));
  CHECK(fewstep::centredness(is(picture().dot(0, 8, red)), size) == Approx(0).margin(1e-12));
  CHECK(fewstep::centredness(is(picture().square(3, 6, red)), size) == Approx(1 - 3 / std::sqrt(32.0)));
  CHECK(fewstep::stray_share(is(picture().square(3, 3, red).dot(0, 0, red)), size) == Approx(0.1));
  CHECK(fewstep::stray_share(is(picture().dot(1, 1, red).dot(2, 2, red)), size) == 0);  // touch at a corner
  CHECK(fewstep::stray_share(is(picture().dot(1, 1, red).dot(1, 3, red)), size) == 1);
  CHECK(fewstep::stray_share(is(picture().dot(1, 8, red).dot(2, 0, red)), size) == 1);  // rows do not wrap
  CHECK(is(picture().dot(0, 0, {0.81f, 1, 1})) == is(picture()));
  CHECK(is(picture().dot(0, 0, {1, 0.79f, 1})) != is(picture()));

  // Grey has no colour. One red pixel in n has rg = 1, yb = 1/2: deviation sqrt(5/4 q (1 - q)), mean sqrt(5/4) q with
  // q = 1/n.
  CHECK(fewstep::colourfulness(picture().square(3, 3, grey).view()) == 0);
  const double q = 1.0 / (side * side);
  CHECK(fewstep::colourfulness(picture().dot(2, 5, red).view()) ==
        Approx(std::sqrt(1.25 * q * (1 - q)) + 0.3 * std::sqrt(1.25) * q));
  // All blue: no deviation, yb = -1.
  picture all;
  for (index_t y = 0; y < side; ++y)
    for (index_t x = 0; x < side; ++x) all.dot(y, x, blue);
  CHECK(fewstep::colourfulness(all.view()) == Approx(0.3));
  CHECK_THROWS_WITH(fewstep::labelling_rule{}(vec<const float>{all.values.data(), {30}}), contains("picture"));
}

TEST_CASE("labels of pairs: follow the score but for the flipped share, and are a function of the pair's number") {
  constexpr index_t pairs = 20000;
  constexpr double share = 0.2;
  const auto first = fewstep::test::normals<float>(pairs, 1), second = fewstep::test::normals<float>(pairs, 2);
  const matrix<const float> a{first.data(), {pairs, 1}}, b{second.data(), {pairs, 1}};
  const auto value = [](vec<const float> sample) { return static_cast<double>(sample[0]); };
  const auto labels = fewstep::label_pairs(value, a, b, {.flipped_share = share, .seed = 11});
  double flipped = 0, first_won = 0;
  for (std::size_t i = 0; i < labels.size(); ++i) {
    REQUIRE(labels[i].first_wins == ((first[i] > second[i]) != labels[i].flipped));
    flipped += labels[i].flipped ? 1 : 0;
    first_won += labels[i].first_wins ? 1 : 0;
  }
  // Binomial with deviation sqrt(p (1 - p) / n); 5 of them are passed once in 1.7 million.
  CAPTURE(flipped / pairs);
  CHECK(std::abs(flipped / pairs - share) < 5 * std::sqrt(share * (1 - share) / pairs));
  CHECK(std::abs(first_won / pairs - 0.5) < 5 * std::sqrt(0.25 / pairs));

  const auto part = fewstep::label_pairs(value, a.subview(7000, 100), b.subview(7000, 100),
                                         {.flipped_share = share, .seed = 11, .first_pair = 7000});
  const auto other = fewstep::label_pairs(value, a, b, {.flipped_share = share, .seed = 12});
  bool differs = false;
  for (std::size_t i = 0; i < 100; ++i) {
    CHECK(part[i].first_wins == labels[7000 + i].first_wins);
    CHECK(part[i].flipped == labels[7000 + i].flipped);
    differs = differs || other[i].flipped != labels[i].flipped;
  }
  CHECK(differs);
  for (const auto& label : fewstep::label_pairs(value, a, b, {})) REQUIRE(!label.flipped);

  // Equal scores: a fair coin.
  double heads = 0;
  for (const auto& label : fewstep::label_pairs(value, a, a, {.seed = 11})) heads += label.first_wins ? 1 : 0;
  CHECK(std::abs(heads / pairs - 0.5) < 5 * std::sqrt(0.25 / pairs));

  CHECK_THROWS_WITH(fewstep::label_pairs(value, a, b, {.flipped_share = 0.6}), contains("flipped_share is 0.6"));
  CHECK_THROWS_WITH(fewstep::label_pairs(value, a, b.subview(0, 3), {}), contains("label_pairs: the pairs are of"));
  const auto broken = [](vec<const float>) { return NAN; };
  CHECK_THROWS_WITH(fewstep::label_pairs(broken, a, b, {}), contains("the scores of pair 0 are nan"));
}

// SPDX-License-Identifier: Apache-2.0
#include "support/gradient_check.hpp"
#include "support/pytorch_reference.hpp"
#include "test.hpp"

#include <fewstep/loss/bradley_terry.hpp>
#include <fewstep/loss/contrastive_loss.hpp>

#include <cmath>
#include <string>
#include <vector>

using fewstep::index_t;
using fewstep::matrix;
using fewstep::vec;

namespace {

struct contrastive_case {
  index_t rows, width;
  std::vector<double> y, gradient;
  std::vector<index_t> captions;
  double log_scale;

  fewstep::contrastive_report run() {
    gradient.assign(y.size(), NAN);
    return fewstep::contrastive_loss<double>({y.data(), {rows, width}}, log_scale, captions,
                                             {gradient.data(), {rows, width}});
  }
};

}  // namespace

TEST_CASE("contrastive loss: agrees with PyTorch, with captions that differ and with repeated ones") {
  const fewstep::test::pytorch_reference reference("reward_models.safetensors");
  for (const std::string name : {"distinct", "repeated", "sharp"}) {
    INFO(name);
    const auto y = reference.rows<double, 2>(name + ".y");
    const auto captions = reference.tokens(name + ".captions");
    contrastive_case c{y.extents[0],
                       y.extents[1],
                       y.values,
                       {},
                       {captions.begin(), captions.end()},
                       reference.flat<double>(name + ".log_scale")[0]};
    const auto report = c.run();
    CHECK(report.loss == Approx(reference.flat<double>(name + ".loss")[0]).epsilon(2e-7));
    CHECK(report.scale_gradient == Approx(reference.flat<double>(name + ".grad.log_scale")[0]).epsilon(2e-7));
    CHECK(fewstep::test::relative_error(c.gradient, reference.flat<double>(name + ".grad.y")) < 2e-7);
  }
}

TEST_CASE("contrastive loss: gradients by central differences") {
  contrastive_case c{6, 8, fewstep::test::normals<double>(48, 1, 0.4), {}, {0, 1, 0, 3, 1, 0}, 0.7};
  const auto report = c.run();
  const auto claimed = c.gradient;
  CHECK(fewstep::test::gradient_error(c.y, claimed, 0, c.y.size(), 48, [&] { return c.run().loss; }) < 1e-8);
  std::vector<double> scale{c.log_scale};
  CHECK(fewstep::test::gradient_error(scale, {report.scale_gradient}, 0, 1, 1, [&] {
          c.log_scale = scale[0];
          return c.run().loss;
        }) < 1e-8);
}

TEST_CASE("contrastive loss: closed forms") {
  // All similarities are equal: log of the number of candidates. Three pairs of one caption have two candidates each.
  contrastive_case c{4, 2, {1, 1, 1, 1, 1, 1, 1, 1}, {}, {0, 1, 2, 3}, 1.0};
  CHECK(c.run().loss == Approx(std::log(4.0)));
  CHECK(c.run().accuracy == 0);
  c.captions = {5, 5, 5, 9};
  CHECK(c.run().loss == Approx((3 * std::log(2.0) + std::log(4.0)) / 4));
  // One caption only: nothing to tell apart, and nothing to learn.
  c.captions = {7, 7, 7, 7};
  CHECK(c.run().loss == 0);
  CHECK(c.gradient == std::vector<double>(8));
  CHECK(c.run().accuracy == 1);
  c.captions.pop_back();
  CHECK_THROWS_WITH(c.run(), contains("contrastive_loss: there are 4 pairs, 3 captions"));
}

TEST_CASE("Bradley-Terry loss: agrees with PyTorch, with and without label smoothing") {
  const fewstep::test::pytorch_reference reference("reward_models.safetensors");
  for (const std::string name : {"plain", "smoothed"}) {
    INFO(name);
    const auto rewards = reference.flat<double>(name + ".rewards");
    std::vector<double> gradient(rewards.size(), NAN);
    const auto report = fewstep::bradley_terry_loss<double>(
        {rewards.data(), {18}}, reference.flat<double>(name + ".smoothing")[0], {gradient.data(), {18}});
    CHECK(report.loss == Approx(reference.flat<double>(name + ".loss")[0]).epsilon(2e-7));
    CHECK(fewstep::test::relative_error(gradient, reference.flat<double>(name + ".grad.rewards")) < 2e-7);
  }
}

TEST_CASE("Bradley-Terry loss: gradients by central differences, closed forms and far-out margins") {
  std::vector<double> rewards = fewstep::test::normals<double>(14, 3, 2), gradient(14);
  const auto loss = [&] {
    return fewstep::bradley_terry_loss<double>({rewards.data(), {14}}, 0.1, {gradient.data(), {14}}).loss;
  };
  loss();
  const auto claimed = gradient;
  CHECK(fewstep::test::gradient_error(rewards, claimed, 0, 14, 14, loss) < 1e-8);

  const auto one = [&](double winner, double loser, double smoothing) {
    const std::vector<double> pair{winner, loser};
    gradient.assign(2, NAN);
    return fewstep::bradley_terry_loss<double>({pair.data(), {2}}, smoothing, {gradient.data(), {2}});
  };
  CHECK(one(2, 2, 0).loss == Approx(std::log(2.0)));
  CHECK(one(2, 2, 0).accuracy == 0.5);
  CHECK(one(2, 1, 0).accuracy == 1);
  CHECK(one(1, 2, 0).accuracy == 0);
  // With a share e of wrong labels the best margin is log((1 - e) / e).
  one(std::log(0.9 / 0.1), 0, 0.1);
  CHECK(std::abs(gradient[0]) < 1e-15);
  CHECK(one(0, 1000, 0).loss == 1000);
  CHECK(gradient == std::vector<double>{-1, 1});
  CHECK(one(1000, 0, 0).loss == 0);
  CHECK(gradient == std::vector<double>{0, 0});
  CHECK_THROWS_WITH(fewstep::bradley_terry_loss<double>({rewards.data(), {3}}, 0, {gradient.data(), {2}}),
                    contains("bradley_terry_loss: there are 3 rewards and room for 2 derivatives"));
}

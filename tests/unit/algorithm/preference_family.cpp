// SPDX-License-Identifier: Apache-2.0
// The preference algorithms by name: what each takes where nothing else is said, and what they are to each other.
#include "support/arrays.hpp"
#include "support/settings.hpp"
#include "test.hpp"

#include <fewstep/algorithm/d3po.hpp>
#include <fewstep/algorithm/dense_dpo.hpp>
#include <fewstep/algorithm/diffusion_dpo.hpp>
#include <fewstep/algorithm/diffusion_kto.hpp>
#include <fewstep/algorithm/dso.hpp>
#include <fewstep/backend/cpu/backend.hpp>
#include <fewstep/generator/flow_matching.hpp>
#include <fewstep/generator/row_generator.hpp>
#include <fewstep/optimizer/sgd.hpp>

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

using namespace fewstep;
using fewstep::test::normals;
using fewstep::test::same_bits;

namespace {

/// v = w x, coordinate by coordinate.
struct diagonal {
  using context_type = std::int32_t;
  static constexpr index_t size = 6;
  [[nodiscard]] index_t sample_size() const { return size; }
  void forward(vec<const float> w, const network_row<std::int32_t>& in, vec<float> o) const {
    for (index_t i = 0; i < size; ++i) o[i] = w[i] * in.x[i];
  }
  void backward(vec<const float>, const network_row<std::int32_t>& in, vec<const float> g,
                vec<float> w_gradient) const {
    for (index_t i = 0; i < size; ++i) w_gradient[i] += g[i] * in.x[i];
  }
};
using model_type = row_generator<diagonal, flow_matching>;
model_type make_model(float at = 0.2f) { return {diagonal{}, std::vector<float>(diagonal::size, at), flow_matching{}}; }

using samples = matrix<float>;
using contexts = std::span<std::int32_t>;

void fill(samples x, std::uint64_t seed) {
  const auto values = normals<float>(x.size(), seed);
  std::copy(values.begin(), values.end(), x.begin());
}
struct pairs {
  void operator()(std::int64_t update, samples w, samples l, contexts) const {
    fill(w, static_cast<std::uint64_t>(2 * update));
    fill(l, static_cast<std::uint64_t>(2 * update + 1));
  }
};
/// The winners and losers of `pairs`, judged one by one, in the labels' order.
struct judged {
  std::vector<float> labels;
  void operator()(std::int64_t update, samples x, contexts, samples to) const {
    fill(x, static_cast<std::uint64_t>(2 * update));
    for (index_t i = 0; i < x.rows(); ++i) to(i, 0) = labels[static_cast<std::size_t>(i) % labels.size()];
  }
};

std::vector<float> gradient_of(model_type& model) { return {model.gradients().begin(), model.gradients().end()}; }

}  // namespace

TEST_CASE("preference algorithms have their published numbers where no others are given") {
  cpu_backend backend({.threads = 1});
  model_type model = make_model(), reference = make_model();
  const preference_parts parts{.optimizer = sgd{}, .reference = frozen_reference(reference)};
  const auto check = [&](auto trainer, index_t comparisons, float beta) {
    CHECK(trainer.source().comparisons() == comparisons);
    CHECK(trainer.parts().link.beta == beta);
    CHECK(trainer.options().optimizer_steps == 1);
    CHECK(trainer.options().training.max_gradient_norm == 1);
  };
  check(diffusion_dpo(backend, model, pairs{}, parts), 2048, 2000);
  check(dense_dpo(backend, model, pairs{}, parts), 256, 500);
  check(dso_dpo(backend, model, pairs{}, parts), 48, 500);
  check(diffusion_kto(backend, model, pairs{}, parts), 8, 1000);
  check(diffusion_dpo(backend, model, pairs{}, parts, {.pairs = {.comparisons = 3}}), 3, 2000);
  auto of_trajectories = d3po(
      backend, model, [](matrix<const float>, std::span<const std::int32_t>, std::span<float>) {}, parts);
  CHECK(of_trajectories.parts().link.beta == 0.1f);
  CHECK(of_trajectories.options().optimizer_steps == 10);  // one a pair
  CHECK(of_trajectories.source().table().horizon() == 20);
}

// Li et al. 2025, section 3: of samples that are all good the loss is that of flow matching, which fits them.
TEST_CASE("DRO of good samples is flow matching, and of bad ones its negative") {
  cpu_backend backend({.threads = 1});
  model_type model = make_model();
  const preference_parts parts{.optimizer = sgd{.learning_rate = 0}};
  const auto of = [&](const std::vector<float>& labels) {
    auto trainer = dso_dro(backend, model, judged{labels}, parts, {.pairs = {.comparisons = 16}});
    return trainer.update().loss;
  };
  const double good = of({1});
  const auto gradient = gradient_of(model);
  const double bad = of({-1});
  CHECK(bad == -good);
  for (std::size_t i = 0; i < gradient.size(); ++i) CHECK(model.gradients()[static_cast<index_t>(i)] == -gradient[i]);

  // the loss of flow matching, from the rows that the source makes
  corrupted_pairs source(backend, model, judged{{1}}, logit_normal_times{.mean = 1}, {.comparisons = 16});
  source.prepare(backend, model, 16);
  source.collect(backend, model, {0, 0});
  const auto rows = source.rows(backend, model, 0, 16);
  double loss = 0;
  for (index_t r = 0; r < 16; ++r)
    for (index_t d = 0; d < diagonal::size; ++d) {
      const double off = static_cast<double>(rows.target(r, d)) - 0.2 * static_cast<double>(rows.rows.x(r, d));
      loss += off * off / (16 * diagonal::size);
    }
  CHECK(good == Approx(loss).epsilon(1e-5));
}

TEST_CASE("DenseDPO of one segment, or of equal labels everywhere, is Flow-DPO") {
  cpu_backend backend({.threads = 1});
  model_type model = make_model(0.3f), reference = make_model();
  const preference_parts parts{
      .optimizer = sgd{.learning_rate = 0}, .reference = frozen_reference(reference), .link = logistic_link{.beta = 2}};
  const auto with = [&](auto source, segment_map segments) {
    auto trainer = dense_dpo(backend, model, source, parts, {.pairs = {.comparisons = 9, .segments = segments}});
    const double loss = trainer.update().loss;
    auto all = gradient_of(model);
    all.push_back(static_cast<float>(loss));
    return all;
  };
  const auto all_first = [](std::int64_t update, samples a, samples b, contexts c, samples labels) {
    pairs{}(update, a, b, c);
    std::fill(labels.begin(), labels.end(), 1.0f);
  };
  const auto whole = with(pairs{}, {});
  CHECK(same_bits(with(all_first, {}), whole));
  CHECK(test::relative_error(with(all_first, {.inner = 2, .extent = 3}), whole) < 1e-6);
}

TEST_CASE("a tied segment's values have no say in DenseDPO") {
  cpu_backend backend({.threads = 1});
  model_type model = make_model(0.3f), reference = make_model();
  const auto source = [](std::int64_t update, samples a, samples b, contexts c, samples labels) {
    pairs{}(update, a, b, c);
    for (index_t i = 0; i < labels.rows(); ++i) labels(i, 0) = 1, labels(i, 1) = 0, labels(i, 2) = -1;
  };
  auto trainer =
      dense_dpo(backend, model, source,
                preference_parts{.optimizer = sgd{.learning_rate = 0}, .reference = frozen_reference(reference)},
                {.pairs = {.comparisons = 9, .segments = {.inner = 2, .extent = 3}}});
  trainer.update();
  for (const index_t d : {2, 3}) CHECK(model.gradients()[d] == 0);
  for (const index_t d : {0, 1, 4, 5}) CHECK(model.gradients()[d] != 0);
}

TEST_CASE("Diffusion-KTO at the reference: a loss of a half, and a quarter of beta either way") {
  cpu_backend backend({.threads = 1});
  model_type model = make_model(), reference = make_model();
  auto trainer = diffusion_kto(backend, model, judged{{1, -1, -1}},
                               preference_parts{.optimizer = sgd{.learning_rate = 0},
                                                .reference = frozen_reference(reference),
                                                .link = utility_link{.beta = 4}},
                               {.pairs = {.comparisons = 12}});
  CHECK(trainer.update().loss == 0.5);
  const auto of_kto = gradient_of(model);
  auto linear = diffusion_kto(backend, model, judged{{1, -1, -1}},
                              preference_parts{.optimizer = sgd{.learning_rate = 0}, .link = identity_link{.scale = 1}},
                              {.pairs = {.comparisons = 12}});
  linear.update();
  for (std::size_t i = 0; i < of_kto.size(); ++i) CHECK(of_kto[i] == model.gradients()[static_cast<index_t>(i)]);
}

// A public implementation of DenseDPO pairs a sample of the policy with one of the reference, from one start, and
// noises both alike. While adapters do nothing the two are one sample, and its loss can never begin to move them.
TEST_CASE("pairs whose members are one sample have no gradient where they are noised alike, and one where not") {
  cpu_backend backend({.threads = 1});
  model_type model = make_model(0.3f), reference = make_model();
  const auto equal = [](std::int64_t update, samples a, samples b, contexts) {
    fill(a, static_cast<std::uint64_t>(update));
    fill(b, static_cast<std::uint64_t>(update));
  };
  const auto norm = [&](noise_sharing sharing) {
    auto trainer =
        dense_dpo(backend, model, equal,
                  preference_parts{.optimizer = sgd{.learning_rate = 0}, .reference = frozen_reference(reference)},
                  {.pairs = {.comparisons = 8, .sharing = sharing}});
    const preference_report report = trainer.update();
    CHECK((report.margin == 0) == (sharing == noise_sharing::shared));
    return report.gradient_norm;
  };
  // The gradients of the members are each other's negative to the bit; their sum has the rounding of fused products.
  const double alike = norm(noise_sharing::shared), own = norm(noise_sharing::own);
  CHECK(own > 0);
  CHECK(alike < 1e-5 * own);
}

// SPDX-License-Identifier: Apache-2.0
#include "support/arrays.hpp"
#include "support/micro_batches.hpp"
#include "support/temporary_directory.hpp"
#include "support/tiny_text_unet.hpp"
#include "test.hpp"

#include <fewstep/algorithm/diffusion_dpo.hpp>
#include <fewstep/backend/cpu/backend.hpp>
#include <fewstep/generator/flow_matching.hpp>
#include <fewstep/generator/mlp_generator.hpp>
#include <fewstep/generator/row_generator.hpp>
#include <fewstep/io/checkpoint.hpp>
#include <fewstep/optimizer/adam.hpp>
#include <fewstep/optimizer/sgd.hpp>
#include <fewstep/preference/identity_link.hpp>
#include <fewstep/preference/utility_link.hpp>
#include <fewstep/regularizer/moving_reference.hpp>

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

using namespace fewstep;
using fewstep::test::normals;
using fewstep::test::same_bits;

namespace {

/// Pairs of normal samples, of which the winners lie to the right.
struct shifted_pairs {
  template <class Context>
  void operator()(std::int64_t update, matrix<float> winners, matrix<float> losers, std::span<Context>) const {
    const auto seed = static_cast<std::uint64_t>(update);
    const auto w = normals<float>(winners.size(), 2 * seed, 0.3, 0.5),
               l = normals<float>(losers.size(), 2 * seed + 1, 0.3, -0.5);
    std::copy(w.begin(), w.end(), winners.begin());
    std::copy(l.begin(), l.end(), losers.begin());
  }
};

/// A network whose output is its parameters, whatever it is asked.
struct bias_only {
  using context_type = std::int32_t;
  index_t size = 2;
  [[nodiscard]] index_t sample_size() const { return size; }
  void forward(vec<const float> w, const network_row<std::int32_t>&, vec<float> o) const {
    std::copy(w.begin(), w.end(), o.begin());
  }
  void backward(vec<const float>, const network_row<std::int32_t>&, vec<const float> g, vec<float> w_gradient) const {
    for (index_t i = 0; i < size; ++i) w_gradient[i] += g[i];
  }
};
using bias_model = row_generator<bias_only, flow_matching>;

bias_model make_bias(std::vector<float> at) {
  return {bias_only{static_cast<index_t>(at.size())}, at, flow_matching{}};
}

using small_model = mlp_generator<cpu_backend>;
small_model make_mlp(cpu_backend& backend, std::uint64_t seed = 1) {
  return {backend, {.network = {.dimension = 5, .classes = 2}, .seed = seed}};
}

template <class Model>
std::vector<float> gradient_of(Model& model) {
  return {model.gradients().begin(), model.gradients().end()};
}
template <class Model>
std::vector<float> parameters_of(Model& model) {
  return {model.parameters().begin(), model.parameters().end()};
}

}  // namespace

TEST_CASE(
    "at the reference every margin is exactly 0 and the loss exactly log 2, in every micro-batch, on any threads") {
  for (const index_t comparisons : {1, 35}) {
    std::optional<std::vector<float>> expected;
    for (const int threads : {1, 2}) {
      cpu_backend backend({.threads = threads});
      small_model model = make_mlp(backend), reference = make_mlp(backend);
      const auto make = [&](std::size_t budget) {
        return diffusion_dpo(
            backend, model, shifted_pairs{},
            preference_parts{.optimizer = sgd{.learning_rate = 0}, .reference = frozen_reference(reference)},
            {.pairs = {.comparisons = comparisons}, .update = {.training = {.memory_budget = budget}}});
      };
      const index_t block = row_block_of(model), all = (2 * comparisons + block - 1) / block;
      for (index_t blocks = 1; blocks <= all; ++blocks) {
        auto trainer = make(test::budget_for(blocks, block, make));
        REQUIRE(trainer.memory().rows == blocks * block);
        const preference_report report = trainer.update();
        INFO(comparisons << " comparisons, " << threads << " threads, " << blocks << " blocks");
        CHECK(report.loss == std::log(2.0));
        CHECK(report.margin == 0);
        CHECK(report.reference_kl == 0);
        CHECK(report.gradient_norm > 0);
        const auto gradient = gradient_of(model);
        if (!expected) expected = gradient;
        CHECK(same_bits(gradient, *expected));
      }
    }
  }
}

TEST_CASE("text_unet with adapters: its base is the reference, and micro-batches change no bit") {
  cpu_backend backend({.threads = 2});
  auto model = test::make_tiny_text_unet(backend, lora_options{.rank = 2});
  model.draw_adapters(backend, 3);  // so that adapters do nothing yet
  auto base = model.base();
  const auto make = [&](std::size_t budget) {
    return diffusion_dpo(backend, model, shifted_pairs{},
                         preference_parts{.optimizer = sgd{.learning_rate = 0}, .reference = frozen_reference(base)},
                         {.pairs = {.comparisons = 11}, .update = {.training = {.memory_budget = budget}}});
  };
  std::optional<std::vector<float>> expected;
  for (const index_t blocks : {1, 3}) {
    auto trainer = make(test::budget_for(blocks, row_block_of(model), make));
    const preference_report report = trainer.update();
    CHECK(report.loss == std::log(2.0));
    CHECK(report.margin == 0);
    CHECK(report.gradient_norm > 0);
    if (!expected) expected = gradient_of(model);
    CHECK(same_bits(gradient_of(model), *expected));
  }
}

// Rafailov et al. 2023: at the reference the slope is -beta / 2 of the log-ratios; Li et al. 2025 (DSO): direct reward
// optimization is that, linearised: grad L_DPO = (beta / 4) grad L_DRO with the log-ratios (M_ref - M) / 2.
TEST_CASE("at the reference the gradient of DPO is beta / 4 times that of DRO") {
  constexpr float beta = 64;  // a power of two, so that nothing is rounded on the way
  cpu_backend backend({.threads = 1});
  small_model model = make_mlp(backend), reference = make_mlp(backend);
  const auto gradient = [&](auto parts) {
    auto trainer = diffusion_dpo(backend, model, shifted_pairs{}, parts, {.pairs = {.comparisons = 16}});
    trainer.update();
    return gradient_of(model);
  };
  const auto of_dpo = gradient(preference_parts{.optimizer = sgd{.learning_rate = 0},
                                                .reference = frozen_reference(reference),
                                                .link = logistic_link{.beta = beta}});
  const auto of_dro =
      gradient(preference_parts{.optimizer = sgd{.learning_rate = 0}, .link = identity_link{.scale = 2}});
  double largest = 0, off = 0;
  for (std::size_t i = 0; i < of_dpo.size(); ++i) {
    largest = std::max(largest, std::abs(static_cast<double>(of_dpo[i])));
    off = std::max(
        off, std::abs(static_cast<double>(of_dpo[i]) - static_cast<double>(beta) / 4 * static_cast<double>(of_dro[i])));
  }
  CHECK(off <= 1e-10 * largest);
}

// With v = theta the loss is linear in theta: of a flow's targets z - x the noise of a pair cancels where it is shared,
// and L_DRO = mean over D of |theta - z + x_w|^2 - |theta - z + x_l|^2 has the gradient 2 (x_w - x_l) / D everywhere.
TEST_CASE("DRO of a constant network is linear in its parameters, with the difference of the means as gradient") {
  cpu_backend backend({.threads = 1});
  for (const std::vector<float>& at : {std::vector<float>{0, 0}, std::vector<float>{3, -1}}) {
    bias_model model = make_bias(at);
    const auto pairs = [](std::int64_t, matrix<float> w, matrix<float> l, std::span<std::int32_t>) {
      for (index_t i = 0; i < w.rows(); ++i) {
        w(i, 0) = 1, w(i, 1) = 2;
        l(i, 0) = 0.5f, l(i, 1) = -1;
      }
    };
    auto trainer =
        diffusion_dpo(backend, model, pairs,
                      preference_parts{.optimizer = sgd{.learning_rate = 0}, .link = identity_link{.scale = 2}},
                      {.pairs = {.comparisons = 8}});
    trainer.update();
    CHECK(model.gradients()[0] == Approx(0.5).epsilon(1e-5));
    CHECK(model.gradients()[1] == Approx(3).epsilon(1e-5));
  }
}

TEST_CASE("labels that are turned round give the same loss and the other gradient at the reference") {
  cpu_backend backend({.threads = 1});
  small_model model = make_mlp(backend), reference = make_mlp(backend);
  const auto gradient = [&](float label) {
    const auto pairs = [label](std::int64_t update, matrix<float> a, matrix<float> b, std::span<std::int32_t> contexts,
                               matrix<float> labels) {
      shifted_pairs{}(update, a, b, contexts);
      std::fill(labels.begin(), labels.end(), label);
    };
    auto trainer =
        diffusion_dpo(backend, model, pairs,
                      preference_parts{.optimizer = sgd{.learning_rate = 0}, .reference = frozen_reference(reference)},
                      {.pairs = {.comparisons = 8}});
    trainer.update();
    return gradient_of(model);
  };
  const auto one = gradient(1), other = gradient(-1);
  for (std::size_t i = 0; i < one.size(); ++i) CHECK(one[i] == -other[i]);
}

TEST_CASE("an update whose labels are all ties moves nothing, and says so") {
  cpu_backend backend({.threads = 1});
  small_model model = make_mlp(backend), reference = make_mlp(backend);
  std::int64_t tied_from = 1;
  const auto pairs = [&tied_from](std::int64_t update, matrix<float> a, matrix<float> b,
                                  std::span<std::int32_t> contexts, matrix<float> labels) {
    shifted_pairs{}(update, a, b, contexts);
    std::fill(labels.begin(), labels.end(), update >= tied_from ? 0.0f : 1.0f);
  };
  auto trainer = diffusion_dpo(
      backend, model, pairs,
      preference_parts{.optimizer = adam{.learning_rate = 1e-3f}, .reference = frozen_reference(reference)},
      {.pairs = {.comparisons = 8}});
  CHECK(trainer.update().ties == 0);
  const auto before = parameters_of(model);
  const preference_report report = trainer.update();
  CHECK(report.ties == 1);
  CHECK(report.loss == std::log(2.0));
  CHECK(report.gradient_norm == 0);
  CHECK(same_bits(parameters_of(model), before));  // though Adam has its moments
  CHECK(trainer.index() == 2);
}

TEST_CASE("preferences move a model towards what was preferred") {
  cpu_backend backend({.threads = 1});
  bias_model model = make_bias({0, 0}), reference = make_bias({0, 0});
  auto trainer = diffusion_dpo(backend, model, shifted_pairs{},
                               preference_parts{.optimizer = sgd{.learning_rate = 0.05f},
                                                .reference = frozen_reference(reference),
                                                .link = logistic_link{.beta = 1}},
                               {.pairs = {.comparisons = 64}});
  preference_report report;
  for (int i = 0; i < 50; ++i) report = trainer.update();
  CHECK(model.parameters()[0] < -0.1f);  // a flow's velocity leads from the sample to the noise
  CHECK(model.parameters()[1] < -0.1f);
  CHECK(report.accuracy > 0.9);
  CHECK(report.margin > 0);
  CHECK(report.reference_kl > 0);
}

TEST_CASE("judged samples without pairs are learned from, and the reference point is the update's mean log-ratio") {
  cpu_backend backend({.threads = 1});
  bias_model model = make_bias({0.3f, 0}), reference = make_bias({0, 0});
  const auto judged = [](std::int64_t, matrix<float> x, std::span<std::int32_t>, matrix<float> labels) {
    for (index_t i = 0; i < x.rows(); ++i) {
      x(i, 0) = x(i, 1) = i % 2 == 0 ? 1.0f : -1.0f;
      labels(i, 0) = i % 2 == 0 ? 1.0f : -1.0f;
    }
  };
  auto trainer = diffusion_dpo(backend, model, judged,
                               preference_parts{.optimizer = sgd{.learning_rate = 0},
                                                .reference = frozen_reference(reference),
                                                .link = utility_link{.beta = 2}},
                               {.pairs = {.comparisons = 64}});
  trainer.update();
  double mean = 0;
  for (const preference_score& s : trainer.scores()) mean += (s.has_winner ? s.winner : s.loser) / 64;
  const double q = 2 * std::max(0.0, mean);
  for (const preference_score& s : trainer.scores()) {
    CHECK(s.has_winner != s.has_loser);
    const double gain = s.has_winner ? 2 * s.winner - q : q - 2 * s.loser;
    CHECK(s.loss == Approx(1 - 1 / (1 + std::exp(-gain))).epsilon(1e-12));
  }
}

TEST_CASE("a reference that moves is the model of every n-th update") {
  cpu_backend backend({.threads = 1});
  small_model model = make_mlp(backend), copy = make_mlp(backend);
  auto trainer = diffusion_dpo(backend, model, shifted_pairs{},
                               preference_parts{.optimizer = sgd{.learning_rate = 0.01f},
                                                .reference = moving_reference(copy, {.every = 2}),
                                                .link = logistic_link{.beta = 10}},
                               {.pairs = {.comparisons = 8}});
  CHECK(trainer.update().loss == std::log(2.0));
  CHECK(trainer.update().loss != std::log(2.0));
  CHECK(same_bits(parameters_of(model), parameters_of(copy)));
  CHECK(trainer.update().loss == std::log(2.0));
  CHECK(trainer.update().margin != 0);
}

TEST_CASE("a run that is resumed has the bits of one that was not interrupted, and other settings are refused") {
  const temporary_directory folder;
  const auto path = folder / "preferences.safetensors";
  cpu_backend backend({.threads = 1});
  const auto run = [&](auto&& use, float beta = 10) {
    small_model model = make_mlp(backend), copy = make_mlp(backend);
    auto trainer = diffusion_dpo(backend, model, shifted_pairs{},
                                 preference_parts{.optimizer = adam{.learning_rate = 1e-2f},
                                                  .reference = moving_reference(copy, {.every = 2}),
                                                  .link = logistic_link{.beta = beta}},
                                 {.pairs = {.comparisons = 8}, .update = {.training = {.ema_decay = 0.9f}}});
    use(trainer);
    auto all = parameters_of(model);
    const auto of_copy = parameters_of(copy);
    all.insert(all.end(), of_copy.begin(), of_copy.end());
    all.insert(all.end(), trainer.ema().begin(), trainer.ema().end());
    return all;
  };
  const auto whole = run([](auto& trainer) {
    for (int i = 0; i < 7; ++i) trainer.update();
  });
  run([&](auto& trainer) {
    for (int i = 0; i < 3; ++i) trainer.update();
    save_checkpoint(path, trainer);
  });
  const auto resumed = run([&](auto& trainer) {
    load_checkpoint(path, trainer);
    while (trainer.index() < 7) trainer.update();
  });
  CHECK(same_bits(resumed, whole));
  run([&](auto& trainer) { CHECK_THROWS_WITH(load_checkpoint(path, trainer), contains("beta")); }, 11);
}

TEST_CASE("what cannot be learned from is refused by name") {
  cpu_backend backend({.threads = 1});
  small_model model = make_mlp(backend), reference = make_mlp(backend);
  const auto with = [&](auto pairs, preference_algorithm_options o = {.pairs = {.comparisons = 4}}) {
    auto trainer = diffusion_dpo(backend, model, pairs,
                                 preference_parts{.optimizer = sgd{}, .reference = frozen_reference(reference)}, o);
    const auto before = parameters_of(model);
    try {
      trainer.update();
    } catch (...) {
      CHECK(same_bits(parameters_of(model), before));
      throw;
    }
  };
  using samples = matrix<float>;
  const auto labelled = [](float label) {
    return [label](std::int64_t u, samples a, samples b, std::span<std::int32_t> c, samples labels) {
      shifted_pairs{}(u, a, b, c);
      std::fill(labels.begin(), labels.end(), 1.0f);
      labels(2, 0) = label;
    };
  };
  CHECK_THROWS_WITH(with(labelled(0.5f)), contains("label 0 of comparison 2 is 0.5"));
  CHECK_THROWS_WITH(with(labelled(NAN)), contains("label 0 of comparison 2 is nan"));
  CHECK_THROWS_WITH(with([](std::int64_t u, samples a, samples b, std::span<std::int32_t> c) {
                      shifted_pairs{}(u, a, b, c);
                      b(3, 1) = INFINITY;
                    }),
                    contains("value 1 of member 1 of comparison 3 is inf"));
  CHECK_THROWS_WITH(with(shifted_pairs{}, {.pairs = {.comparisons = 4, .segments = {.inner = 2, .extent = 2}}}),
                    contains("does not divide a sample's 5 values"));
  CHECK_THROWS_WITH(with(shifted_pairs{}, {.pairs = {.comparisons = 4}, .update = {.optimizer_steps = 5}}),
                    contains("5 optimizer steps on 4 comparisons"));
  CHECK_THROWS_WITH(with(shifted_pairs{}, {.pairs = {.comparisons = 0}}), contains("comparisons is 0"));
  CHECK_THROWS_WITH(with(shifted_pairs{}, {.pairs = {.comparisons = index_t{1} << 62}}),
                    contains("rows have numbers of 32 bits"));
  CHECK_THROWS_WITH(diffusion_dpo(backend, model, shifted_pairs{},
                                  preference_parts{.optimizer = sgd{}, .reference = frozen_reference(model)}),
                    contains("every margin would be 0 for ever"));
  small_model wider(backend, {.network = {.dimension = 6, .classes = 2}});
  CHECK_THROWS_WITH(diffusion_dpo(backend, model, shifted_pairs{},
                                  preference_parts{.optimizer = sgd{}, .reference = frozen_reference(wider)}),
                    contains("the reference has samples of 6 values, the model of 5"));
  CHECK_THROWS_WITH(diffusion_dpo(backend, model, shifted_pairs{},
                                  preference_parts{.optimizer = sgd{},
                                                   .reference = frozen_reference(reference),
                                                   .link = logistic_link{.beta = -1}}),
                    contains("beta is -1"));
}

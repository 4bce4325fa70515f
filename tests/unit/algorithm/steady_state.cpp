// SPDX-License-Identifier: Apache-2.0
// What a trainer allocates: what its memory plan says when it is made, nothing after its first update.
#include "support/allocations.hpp"
#include "support/micro_batches.hpp"
#include "support/tiny_text_unet.hpp"
#include "test.hpp"

#include <fewstep/advantage/batch.hpp>
#include <fewstep/algorithm/d3po.hpp>
#include <fewstep/algorithm/ddim_inpo.hpp>
#include <fewstep/algorithm/diffusion_dpo.hpp>
#include <fewstep/algorithm/pso.hpp>
#include <fewstep/algorithm/rlcm.hpp>
#include <fewstep/algorithm/sampled_pairs.hpp>
#include <fewstep/algorithm/spo.hpp>
#include <fewstep/generator/generator.hpp>
#include <fewstep/generator/guided.hpp>
#include <fewstep/generator/mlp_generator.hpp>
#include <fewstep/optimizer/adam.hpp>
#include <fewstep/optimizer/sgd.hpp>
#include <fewstep/preference/labelled_pairs.hpp>
#include <fewstep/preference/mixed_pairs.hpp>
#include <fewstep/preference/pair_judge.hpp>
#include <fewstep/preference/pareto_rewards.hpp>
#include <fewstep/regularizer/kl_to_reference.hpp>
#include <fewstep/reward/per_sample.hpp>

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <new>
#include <span>
#include <utility>
#include <vector>

using fewstep::cpu_backend;
using fewstep::index_t;

namespace {

struct first_value {
  template <class Context>
  float operator()(fewstep::vec<const float> x, const Context&) const {
    return x[0];
  }
};

struct mlp_case {
  using generator_type = fewstep::mlp_generator<cpu_backend>;
  static generator_type make(cpu_backend& backend) { return {backend, {.network = {.dimension = 5, .classes = 2}}}; }
  static std::vector<std::int32_t> contexts() { return {0, 1}; }
};

struct unet_case {
  using generator_type = fewstep::test::tiny_text_unet;
  static generator_type make(cpu_backend& backend) { return fewstep::test::make_tiny_text_unet(backend); }
  static std::vector<fewstep::token_list> contexts() { return {{{1, 2}}, {{3}}}; }
};

template <class Case>
auto make_trainer(cpu_backend& backend, typename Case::generator_type& model, typename Case::generator_type& reference,
                  fewstep::policy_gradient_options o) {
  o.horizon = 3;
  o.batch.prompts = 7;
  o.batch.samples_per_prompt = 5;
  return fewstep::rlcm(
      backend, model,
      fewstep::policy_gradient_parts{
          .reward = fewstep::per_sample(first_value{}),
          .optimizer = fewstep::adam{.learning_rate = 1e-3f},
          .regularizer = fewstep::kl_to_reference<typename Case::generator_type>(reference, {.coefficient = 0.1f})},
      o);
}

}  // namespace

#ifdef FEWSTEP_TEST_COUNTS_ALLOCATIONS

using fewstep::test::allocations;
using fewstep::test::live_bytes;
using fewstep::test::peak_bytes;

TEST_CASE("allocations are counted") {
  const std::size_t before = allocations;
  const std::int64_t live = live_bytes;
  void* volatile one = ::operator new(8000);  // called by name and hidden, or the compiler may leave it out
  void* volatile two = ::operator new (4000, std::align_val_t{64});
  const std::size_t after = allocations;
  const std::int64_t live_with = live_bytes, peak = peak_bytes;
  ::operator delete (two, std::align_val_t{64});
  ::operator delete(one);
  const std::int64_t live_after = live_bytes;
  CHECK(after == before + 2);
  CHECK(live_with - live >= 12000);
  CHECK(peak - live >= 12000);
  CHECK(live_after == live);
}

TEMPLATE_TEST_CASE("after its first update a trainer allocates nothing", "", mlp_case, unet_case) {
  const int threads = GENERATE(1, 2), optimizer_steps = GENERATE(1, 3);
  cpu_backend backend({.threads = threads});
  auto model = TestType::make(backend), reference = TestType::make(backend);
  auto trainer = make_trainer<TestType>(backend, model, reference,
                                        {.optimizer_steps = optimizer_steps, .training = {.ema_decay = 0.9f}});
  const auto contexts = TestType::contexts();
  trainer.update(contexts);
  for (int k = 0; k < 5; ++k) {
    const std::size_t before = allocations;
    trainer.update(contexts);
    const std::size_t made = allocations - before;
    CAPTURE(threads, optimizer_steps, k, made);
    CHECK(made == 0);
  }
}

TEMPLATE_TEST_CASE("what a trainer holds stays within its memory budget", "", mlp_case, unet_case) {
  const int threads = GENERATE(1, 2), optimizer_steps = GENERATE(1, 3);
  cpu_backend backend({.threads = threads});
  cpu_backend({.threads = 2}).parallel_for(2, [](auto&, int, index_t) {});  // the OpenMP runtime takes its own memory
  auto reference = TestType::make(backend);
  const auto contexts = TestType::contexts();
  std::vector<float> expected;
  for (const index_t blocks : {1, 2}) {
    auto sizes = TestType::make(backend);
    const std::size_t budget = fewstep::test::budget_for(blocks, row_block_of(sizes), [&](std::size_t bytes) {
      return make_trainer<TestType>(backend, sizes, reference,
                                    {.optimizer_steps = optimizer_steps, .training = {.memory_budget = bytes}});
    });
    const auto before = live_bytes.load();
    auto model = TestType::make(backend);
    peak_bytes = live_bytes.load();
    auto trainer = make_trainer<TestType>(backend, model, reference,
                                          {.optimizer_steps = optimizer_steps, .training = {.memory_budget = budget}});
    trainer.update(contexts);
    const auto peak = static_cast<double>(peak_bytes - before);
    CAPTURE(threads, optimizer_steps, blocks, budget, peak, trainer.memory().total(), trainer.memory().parameters,
            trainer.memory().trajectory, trainer.memory().regularizer, trainer.memory().workspace);
    CHECK(trainer.memory().rows == blocks * row_block_of(model));
    CHECK(trainer.memory().total() <= budget);
    CHECK(peak <= 1.1 * static_cast<double>(budget));
    CHECK(peak >= 0.8 * static_cast<double>(budget));
    const std::vector<float> parameters(model.parameters().begin(), model.parameters().end());
    if (expected.empty()) expected = parameters;
    CHECK(fewstep::test::same_bits(parameters, expected));
  }
}

TEST_CASE("a KL reference under LoRA is the model without its adapters: the same bits as a second model, less memory") {
  cpu_backend backend({.threads = 1});
  cpu_backend({.threads = 2}).parallel_for(2, [](auto&, int, index_t) {});
  const auto contexts = unet_case::contexts();
  struct result {
    std::vector<float> parameters;
    double planned = 0, measured = 0;
  };
  const auto run = [&](const auto& make_reference) {
    auto model = fewstep::test::make_tiny_text_unet(backend, fewstep::lora_options{.rank = 2});
    const std::int64_t before = live_bytes;
    auto reference = make_reference(model);
    auto trainer = fewstep::rlcm(
        backend, model,
        fewstep::policy_gradient_parts{.reward = fewstep::per_sample(first_value{}),
                                       .optimizer = fewstep::adam{.learning_rate = 1e-2f},
                                       .advantage = fewstep::batch_advantage{},
                                       .regularizer = fewstep::kl_to_reference(reference, {.coefficient = 1})},
        {.horizon = 3, .batch = {.prompts = 2, .samples_per_prompt = 4}});
    for (int k = 0; k < 3; ++k) trainer.update(contexts);
    CHECK(trainer.memory().model == model.held_bytes(true));
    return result{{model.parameters().begin(), model.parameters().end()},
                  static_cast<double>(trainer.memory().regularizer),
                  static_cast<double>(live_bytes - before)};
  };
  const auto second = run([&](auto&) { return fewstep::test::make_tiny_text_unet(backend); });
  const auto base = run([](auto& model) { return model.base(); });
  CHECK(fewstep::test::same_bits(base.parameters, second.parameters));
  // A second model: its parameters and gradients, and filters of twice their length for the forward pass.
  const auto model = fewstep::test::make_tiny_text_unet(backend);
  const double floats = static_cast<double>(model.layout().size()) * sizeof(float);
  CAPTURE(floats, base.planned, second.planned, base.measured, second.measured);
  CHECK(second.planned - base.planned == 2 * floats);
  CHECK(base.planned == static_cast<double>(model.workspace_bytes(backend, 0)));
  CHECK(second.measured - base.measured >= 4 * floats);
  CHECK(second.measured - base.measured <= 4.2 * floats + 32768);  // and modules, layouts, words
}

namespace {

/// Doubles, by way of `width` numbers a row.
struct widening_decoder {
  index_t width, at_once;
  std::vector<float> hidden = {};

  [[nodiscard]] index_t decoded_size(index_t n) const { return n; }
  [[nodiscard]] index_t rows_at_once() const { return at_once; }
  [[nodiscard]] std::size_t workspace_bytes(const cpu_backend&, index_t rows) const {
    return static_cast<std::size_t>(rows * width) * sizeof(float);
  }
  void operator()(cpu_backend&, fewstep::matrix<const float> x, fewstep::matrix<float> y) {
    if (hidden.empty()) hidden.resize(static_cast<std::size_t>(x.rows() * width));
    for (index_t r = 0; r < x.rows(); ++r)
      for (index_t d = 0; d < x.cols(); ++d) {
        float& h = hidden[static_cast<std::size_t>(r * width + d)];
        h = 2 * x(r, d);
        y(r, d) = h;
      }
  }
};

}  // namespace

TEST_CASE("the plan has what a decoder says that it takes for a part, and it takes that") {
  constexpr index_t samples = 7 * 5;
  const index_t at_once = GENERATE(index_t{4}, index_t{100});
  cpu_backend backend({.threads = 1});
  cpu_backend({.threads = 2}).parallel_for(2, [](auto&, int, index_t) {});
  const auto contexts = mlp_case::contexts();
  struct result {
    std::int64_t planned, measured;
  };
  const auto run = [&](index_t width) {
    auto model = mlp_case::make(backend);
    const std::int64_t before = live_bytes;
    auto trainer = fewstep::rlcm(backend, model,
                                 fewstep::policy_gradient_parts{.reward = fewstep::per_sample(first_value{}),
                                                                .optimizer = fewstep::adam{},
                                                                .decoder = widening_decoder{width, at_once}},
                                 {.horizon = 3, .batch = {.prompts = 7, .samples_per_prompt = 5}});
    trainer.update(contexts);
    CHECK(trainer.memory().decoder == static_cast<std::size_t>(std::min(at_once, samples) * width) * sizeof(float));
    return result{static_cast<std::int64_t>(trainer.memory().total()), live_bytes - before};
  };
  run(5);
  const result narrow = run(5), wide = run(100'000);
  const std::int64_t planned = wide.planned - narrow.planned, measured = wide.measured - narrow.measured;
  CAPTURE(at_once, planned, measured);
  CHECK(planned == std::min(at_once, samples) * 99'995 * 4);
  CHECK(std::abs(measured - planned) <= 8192);  // malloc rounds up to pages
}

namespace {

/// What a text encoder gives for 77 tokens of 768 numbers: 236 KB.
struct text_states {
  float values[77 * 768];
};

/// o = theta + the context's last number.
struct conditioned_toy {
  using context_type = text_states;
  struct workspace_type {};
  float theta = 0.2f, gradient = 0;

  [[nodiscard]] index_t sample_size() const { return 2; }
  [[nodiscard]] fewstep::edm_consistency preconditioner() const { return {}; }
  [[nodiscard]] workspace_type make_workspace(cpu_backend&, index_t) const { return {}; }
  [[nodiscard]] std::size_t workspace_bytes(const cpu_backend&, index_t) const { return 0; }
  void predict(cpu_backend&, const fewstep::batch<text_states>& rows, fewstep::matrix<float> o, workspace_type&) const {
    for (index_t r = 0; r < rows.rows(); ++r)
      for (index_t d = 0; d < o.cols(); ++d) o(r, d) = theta + rows.contexts[r].values[77 * 768 - 1];
  }
  void forward(cpu_backend& b, const fewstep::batch<text_states>& rows, fewstep::matrix<float> o,
               workspace_type& w) const {
    predict(b, rows, o, w);
  }
  void backward(cpu_backend&, const fewstep::batch<text_states>& rows, fewstep::matrix<const float> o_gradient,
                workspace_type&) {
    for (index_t r = 0; r < rows.rows(); ++r) gradient += o_gradient(r, 0) + o_gradient(r, 1);
  }
  fewstep::vec<float> parameters() { return {&theta, {1}}; }
  fewstep::vec<float> gradients() { return {&gradient, {1}}; }
  [[nodiscard]] static text_states unconditional() { return {}; }
};

/// Trains `model` on contexts of 236 KB; `others` are those that it holds beside one for each sample.
template <class Model>
void check_one_context_a_sample(cpu_backend& backend, Model& model, std::int64_t before, int others,
                                int optimizer_steps) {
  constexpr int horizon = 8, prompts = 3, samples_per_prompt = 2;
  std::vector<text_states> contexts(4);
  for (std::size_t i = 0; i < contexts.size(); ++i) contexts[i].values[77 * 768 - 1] = static_cast<float>(i);
  before += static_cast<std::int64_t>(contexts.size() * sizeof(text_states));
  peak_bytes = live_bytes.load();
  auto trainer = fewstep::rlcm(backend, model, fewstep::per_sample(first_value{}), fewstep::adam{},
                               {.horizon = horizon,
                                .optimizer_steps = optimizer_steps,
                                .batch = {.prompts = prompts, .samples_per_prompt = samples_per_prompt}});
  trainer.update(contexts);
  const auto report = trainer.update(contexts);
  const double context = sizeof(text_states), held = static_cast<double>(peak_bytes - before);
  CAPTURE(optimizer_steps, held / context, trainer.memory().total());
  const int promised = prompts * samples_per_prompt + others;
  CHECK(context == 236544);
  CHECK(held >= promised * context);
  CHECK(held < (promised + 1) * context);
  CHECK(static_cast<double>(trainer.memory().total()) >= promised * context);
  CHECK(static_cast<double>(trainer.memory().total()) < (promised + 1) * context);
  CHECK(report.gradient_norm > 0);
}

}  // namespace

TEST_CASE("a large context is kept once a sample, not once a step") {
  const int optimizer_steps = GENERATE(1, 3);
  cpu_backend backend({.threads = 1});
  const auto before = live_bytes.load();
  conditioned_toy model;
  check_one_context_a_sample(backend, model, before, 0, optimizer_steps);
}

TEST_CASE("guidance keeps no copy of a large context but the one that asks for nothing") {
  const int optimizer_steps = GENERATE(1, 3);
  cpu_backend backend({.threads = 1});
  const auto before = live_bytes.load();
  conditioned_toy network;
  fewstep::guided model(backend, network, {.scale = 3});
  CHECK(model.workspace_bytes(backend, 1000) < sizeof(text_states));
  check_one_context_a_sample(backend, model, before, 1, optimizer_steps);
}

namespace {

struct constant_pairs {
  template <class Context>
  void operator()(std::int64_t, fewstep::matrix<float> winners, fewstep::matrix<float> losers,
                  std::span<Context>) const {
    std::fill(winners.begin(), winners.end(), 0.3f);
    std::fill(losers.begin(), losers.end(), -0.3f);
  }
};

struct first_of_next {
  template <class Context>
  float operator()(int, fewstep::vec<const float>, fewstep::vec<const float> next, const Context&) const {
    return next[0];
  }
};

template <class Case, class Use>
void each_preference_trainer(cpu_backend& backend, typename Case::generator_type& model,
                             typename Case::generator_type& reference, std::size_t budget, const Use& use) {
  const fewstep::preference_parts parts{.optimizer = fewstep::adam{.learning_rate = 1e-3f},
                                        .reference = fewstep::frozen_reference(reference)};
  const fewstep::preference_optimization_options update{.training = {.ema_decay = 0.9f, .memory_budget = budget}};
  const auto contexts = Case::contexts();
  use(fewstep::diffusion_dpo(backend, model, constant_pairs{}, parts, {.pairs = {.comparisons = 37}, .update = update}),
      [](auto& trainer) { trainer.update(); });
  use(fewstep::ddim_inpo(backend, model, reference, constant_pairs{}, parts,
                         {.pairs = {.steps = 3, .pairs = {.comparisons = 37}}, .update = update}),
      [](auto& trainer) { trainer.update(); });
  use(fewstep::d3po(backend, model, fewstep::per_sample(first_value{}), parts,
                    {.pairs = {.horizon = 3, .batch = {.prompts = 4, .samples_per_prompt = 3}}, .update = update}),
      [&](auto& trainer) { trainer.update(contexts); });
  use(fewstep::spo(backend, model, fewstep::per_step{first_of_next{}}, parts,
                   {.pairs = {.prompts = 8, .horizon = 6, .first_compared = 1}, .update = update}),
      [&](auto& trainer) { trainer.update(contexts); });
}

}  // namespace

TEMPLATE_TEST_CASE("after its first update a trainer on preferences allocates nothing", "", mlp_case, unet_case) {
  const int threads = GENERATE(1, 2);
  cpu_backend backend({.threads = threads});
  auto model = TestType::make(backend), reference = TestType::make(backend);
  each_preference_trainer<TestType>(backend, model, reference, std::size_t{1} << 30, [&](auto trainer, auto update) {
    update(trainer);
    for (int k = 0; k < 3; ++k) {
      const std::size_t before = allocations;
      update(trainer);
      const std::size_t made = allocations - before;
      CAPTURE(threads, k, made);
      CHECK(made == 0);
    }
  });
}

TEST_CASE("pairs that are sampled and labelled allocate nothing after the first update") {
  cpu_backend backend({.threads = 2});
  auto model = mlp_case::make(backend), reference = mlp_case::make(backend);
  const auto contexts = mlp_case::contexts();
  const auto rated = fewstep::per_sample(first_value{});
  fewstep::mixed_pairs source(
      constant_pairs{},
      fewstep::labelled_pairs(
          fewstep::sampled_pairs(backend, reference, fewstep::consistency_sampler{}, contexts, {.pairs = 20}),
          fewstep::reward_judge(rated, rated)));
  auto trainer = fewstep::diffusion_dpo(
      backend, model, std::move(source),
      fewstep::preference_parts{.optimizer = fewstep::sgd{}, .reference = fewstep::frozen_reference(reference)},
      {.pairs = {.comparisons = 40}});
  auto compared = fewstep::pso(
      backend, model, fewstep::pareto_rewards(rated, rated),
      fewstep::preference_parts{.optimizer = fewstep::sgd{}, .reference = fewstep::frozen_reference(reference)});
  trainer.update();
  compared.update(contexts);
  const std::size_t before = allocations;
  trainer.update();
  compared.update(contexts);
  CHECK(allocations - before == 0);
}

TEMPLATE_TEST_CASE("what a trainer on preferences holds is what its memory plan says", "", mlp_case, unet_case) {
  cpu_backend backend({.threads = 1});
  auto model = TestType::make(backend), reference = TestType::make(backend);
  // The backend's scratch and the forms of parameters that kernels want are there, then.
  each_preference_trainer<TestType>(backend, model, reference, std::size_t{1} << 30,
                                    [&](auto trainer, auto update) { update(trainer); });
  const auto before = live_bytes.load();
  each_preference_trainer<TestType>(backend, model, reference, std::size_t{1} << 30, [&](auto trainer, auto update) {
    update(trainer);
    const auto held = static_cast<double>(live_bytes.load() - before);
    // the model is there already, and gradients with it
    const double model_bytes = 2.0 * sizeof(float) * static_cast<double>(model.parameters().size());
    const double planned = static_cast<double>(trainer.memory().total()) - model_bytes;
    CAPTURE(held, planned);
    CHECK(held <= planned + 4096);
    CHECK(held >= 0.6 * planned);  // forms of parameters are planned, and there already
  });
}

#endif

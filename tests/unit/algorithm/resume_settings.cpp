// SPDX-License-Identifier: Apache-2.0
#include "support/nearness.hpp"
#include "support/settings.hpp"
#include "support/tiny_reward_models.hpp"
#include "test.hpp"

#include <fewstep/fewstep.hpp>
#include <fewstep/io/checkpoint.hpp>
#include <fewstep/reward_model/contrastive_training.hpp>
#include <fewstep/reward_model/preference_training.hpp>

#include <unistd.h>

#include <cstdint>
#include <filesystem>
#include <span>
#include <stdexcept>
#include <string>
#include <vector>

// Every option of every trainer: one run is made with a value and saved, another with a different value, and loads what
// the first one saved.

using namespace fewstep;
using fewstep::test::nearness_to;

namespace {

using small_model = mlp_generator<cpu_backend>;

/// All numbers that stand in `object`, but for one that other parts of it allow no other value.
template <class Object, class Make>
void compares_all_of(Object object, const Make& make, const std::string& fixed = {}) {
  const auto path = std::filesystem::temp_directory_path() / ("fewstep-resume-" + std::to_string(::getpid()));
  make(object, [&](auto& trainer) { save_checkpoint(path, trainer); });
  make(object, [&](auto& trainer) { CHECK_NOTHROW(load_checkpoint(path, trainer)); });
  int compared = 0;
  for (const test::number_setting& number : test::numbers_in(object)) {
    if (number.name == fixed) continue;
    const double other = number.other();
    INFO(number.name << ": " << number.value << " saved and " << other << " loaded");
    CHECK(other != number.value);
    number.set(other);
    make(object, [&](auto& trainer) {
      if (!number.compared)
        CHECK_NOTHROW(load_checkpoint(path, trainer));
      else
        CHECK_THROWS_WITH(load_checkpoint(path, trainer),
                          contains(number.name + " = ") && contains("but this run has"));
    });
    number.set(number.value);
    compared += number.compared ? 1 : 0;
  }
  CHECK(compared > 0);
  std::filesystem::remove(path);
}

const policy_gradient_options few =
    with_defaults({.horizon = 4,
                   .batch = {.prompts = 2, .samples_per_prompt = 2},
                   .training = {.schedule = {.warmup = 1, .hold = 2, .total = 9, .final = 0.1f}, .ema_decay = 0.5f}},
                  usual_policy_gradient_options());

/// A policy gradient of these parts, with the options.
template <class Parts, class Model>
void with_parts(Parts object, Model& model, cpu_backend& backend, const std::string& fixed = {}) {
  const auto make = [&](const Parts& parts, const auto& then) {
    policy_gradient<cpu_backend, Model, Parts> trainer(backend, model, Parts(parts), few);
    then(trainer);
  };
  compares_all_of(std::move(object), make, fixed);
}

}  // namespace

TEST_CASE("a resumed policy gradient has the options that it had") {
  cpu_backend backend({.threads = 1});
  small_model model(backend, {.network = {.hidden = {4}}});
  const policy_gradient_parts parts{.reward = nearness_to{}, .optimizer = adam{}};
  compares_all_of(few, [&](const policy_gradient_options& o, const auto& then) {
    policy_gradient<cpu_backend, small_model, std::remove_const_t<decltype(parts)>> trainer(backend, model, parts, o);
    then(trainer);
  });
}

TEST_CASE("a resumed policy gradient has the parts that it had with the same settings") {
  cpu_backend backend({.threads = 1});
  SECTION("RLCM with a reference and auxiliary losses") {
    small_model model(backend, {.network = {.hidden = {4}}}), other(backend, {.network = {.hidden = {4}}});
    auto guide = guided(backend, other, {.scale = 2});
    with_parts(
        policy_gradient_parts{.reward = nearness_to{},
                              .optimizer = adam{},
                              .objective = clipped_surrogate{0.25f},
                              .advantage = prompt_buffer_advantage{.min_count = 8},
                              .sampler = consistency_sampler{.times = {4, 3, 2, 1}},
                              .regularizer = no_regularizer{},
                              .auxiliary = auxiliary_losses(last_step_reward(backend, nearness_to{}, {.margin = 3}),
                                                            consistency_regularizer(backend, {.weight = 1}))},
        model, backend, "sampler.last");
    // The reference cannot be set through the parts, which hold it by pointer.
    const auto path = std::filesystem::temp_directory_path() / ("fewstep-resume-" + std::to_string(::getpid()));
    const kl_estimate::exact exact;
    const kl_estimate::k3 k3;
    const auto with_scale = [&](float scale, float coefficient, auto estimate, const auto& then) {
      guided reference(backend, other, {.scale = scale});
      policy_gradient_parts parts{.reward = nearness_to{},
                                  .optimizer = adam{},
                                  .regularizer = kl_to_reference(reference, {.coefficient = coefficient}, estimate)};
      policy_gradient<cpu_backend, small_model, decltype(parts)> trainer(backend, model, std::move(parts), few);
      then(trainer);
    };
    with_scale(2, 0.1f, exact, [&](auto& trainer) { save_checkpoint(path, trainer); });
    with_scale(2, 0.1f, exact, [&](auto& trainer) { CHECK_NOTHROW(load_checkpoint(path, trainer)); });
    with_scale(3, 0.1f, exact, [&](auto& trainer) {
      CHECK_THROWS_WITH(load_checkpoint(path, trainer),
                        contains("regularizer.reference.scale = 2, but this run has 3"));
    });
    with_scale(2, 0.2f, exact, [&](auto& trainer) {
      CHECK_THROWS_WITH(load_checkpoint(path, trainer),
                        contains("regularizer.coefficient = 0.1, but this run has 0.2"));
    });
    const auto refuse = [&](auto& trainer) {
      CHECK_THROWS_WITH(load_checkpoint(path, trainer), contains("regularizer.estimate"));
    };
    with_scale(2, 0.1f, k3, refuse);
    with_scale(2, 0.1f, k3, [&](auto& trainer) { save_checkpoint(path, trainer); });
    with_scale(2, 0.1f, k3, [&](auto& trainer) { CHECK_NOTHROW(load_checkpoint(path, trainer)); });
    with_scale(2, 0.1f, exact, refuse);
    with_scale(2, 0.1f, kl_estimate::k2{}, refuse);
    with_scale(2, 0.1f, kl_estimate::importance_weighted{k3}, refuse);
    std::filesystem::remove(path);
  }
  SECTION("a flow with a group's advantage and a sliding window") {
    mlp_generator<cpu_backend, flow_matching> model(backend, {.network = {.hidden = {4}}, .preconditioner = {}});
    with_parts(policy_gradient_parts{.reward = nearness_to{},
                                     .optimizer = sgd{},
                                     .objective = guarded_surrogate{},
                                     .advantage = group_advantage{},
                                     .sampler = flow_sde_sampler{.times = {0.9f, 0.6f, 0.4f, 0.2f}},
                                     .selection = sliding_window{.length = 1}},
               model, backend);
    with_parts(policy_gradient_parts{.reward = nearness_to{},
                                     .optimizer = adamw{},
                                     .objective = divergence_mask{},
                                     .advantage = batch_advantage{},
                                     .sampler = dance_sde_sampler{},
                                     .selection = random_window{.length = 1}},
               model, backend);
  }
  SECTION("other samplers and REBEL") {
    mlp_generator<cpu_backend, lcm> model(backend, {.network = {.hidden = {4}}, .preconditioner = {}});
    with_parts(policy_gradient_parts{.reward = nearness_to{},
                                     .optimizer = adam{},
                                     .objective = reward_regression{},
                                     .sampler = lcm_sampler{.last = last_step::stochastic}},
               model, backend);
    with_parts(
        policy_gradient_parts{.reward = nearness_to{}, .optimizer = adam{}, .sampler = ddim_sampler{.eta = 0.5f}},
        model, backend);
    with_parts(
        policy_gradient_parts{.reward = nearness_to{}, .optimizer = adam{}, .sampler = cps_sampler{.noise = 0.5f}},
        model, backend);
  }
}

TEST_CASE("a resumed run is refused other parts by their names") {
  cpu_backend backend({.threads = 1});
  small_model model(backend, {.network = {.hidden = {4}}});
  const auto path = std::filesystem::temp_directory_path() / ("fewstep-resume-" + std::to_string(::getpid()));
  const auto with = [&](auto objective, auto optimizer, const auto& then) {
    policy_gradient_parts parts{.reward = nearness_to{}, .optimizer = optimizer, .objective = objective};
    policy_gradient<cpu_backend, small_model, decltype(parts)> trainer(backend, model, std::move(parts), few);
    then(trainer);
  };
  with(reinforce{}, adam{}, [&](auto& trainer) { save_checkpoint(path, trainer); });
  with(clipped_surrogate{}, adam{}, [&](auto& trainer) {
    CHECK_THROWS_WITH(load_checkpoint(path, trainer),
                      contains("objective = reinforce, but this run has clipped_surrogate"));
  });
  with(reinforce{}, sgd{}, [&](auto& trainer) {
    CHECK_THROWS_WITH(load_checkpoint(path, trainer), contains("optimizer = adam, but this run has sgd"));
  });
  std::filesystem::remove(path);
}

TEST_CASE("a resumed direct reward gradient has the options and parts that it had") {
  cpu_backend backend({.threads = 1});
  small_model model(backend, {.network = {.hidden = {4}}});
  using parts_type = direct_reward_gradient_parts<nearness_to, adam, consistency_sampler>;
  const direct_reward_gradient_options options = with_defaults({.horizon = 4,
                                                                .steps_with_gradient = 2,
                                                                .jump_from = 2,
                                                                .margin = 2,
                                                                .batch = {.prompts = 2},
                                                                .training = {.ema_decay = 0.5f}},
                                                               usual_direct_reward_gradient_options());
  compares_all_of(options, [&](const direct_reward_gradient_options& o, const auto& then) {
    direct_reward_gradient<cpu_backend, small_model, parts_type> trainer(backend, model, parts_type{}, o);
    then(trainer);
  });
  parts_type with_times{};
  with_times.sampler.times = {4, 3, 2, 1};
  compares_all_of(with_times, [&](const parts_type& parts, const auto& then) {
    direct_reward_gradient<cpu_backend, small_model, parts_type> trainer(backend, model, parts, options);
    then(trainer);
  });
}

TEST_CASE("a resumed consistency training has the options and the optimizer that it had") {
  cpu_backend backend({.threads = 1});
  small_model model(backend, {.network = {.hidden = {4}}});
  compares_all_of(consistency_training_options{.batch = 2},
                  [&](const consistency_training_options& o, const auto& then) {
                    consistency_training training(backend, model, adam{}, o);
                    then(training);
                  });
  const auto path = std::filesystem::temp_directory_path() / ("fewstep-resume-" + std::to_string(::getpid()));
  consistency_training saved(backend, model, adam{}, {.batch = 2}),
      other(backend, model, adam{.beta2 = 0.9f}, {.batch = 2});
  save_checkpoint(path, saved);
  CHECK_THROWS_WITH(load_checkpoint(path, other), contains("optimizer.beta2 = 0.999, but this run has 0.9"));
  std::filesystem::remove(path);
}

TEST_CASE("a resumed training of a reward model has the options that it had") {
  namespace squares = test::squares;
  cpu_backend backend({.threads = 1});
  auto judge = squares::make_preference_model(backend, false);
  compares_all_of(preference_training_options{.batch = 2}, [&](const preference_training_options& o, const auto& then) {
    preference_training training(backend, judge, adam{}, o);
    then(training);
  });
  auto towers = squares::make_two_tower(backend);
  compares_all_of(contrastive_training_options{.batch = 2},
                  [&](const contrastive_training_options& o, const auto& then) {
                    contrastive_training training(backend, towers, adam{}, o);
                    then(training);
                  });
}

TEST_CASE("a resumed run has the model that it had with the same settings") {
  cpu_backend backend({.threads = 1});
  const auto trained = [&](auto& model, const auto& then) {
    using model_type = std::remove_reference_t<decltype(model)>;
    using parts_type = policy_gradient_parts<nearness_to, adam>;
    policy_gradient<cpu_backend, model_type, parts_type> trainer(backend, model, parts_type{}, few);
    then(trainer);
  };
  SECTION("guidance") {
    small_model model(backend, {.network = {.hidden = {4}}});
    compares_all_of(guided_options{.scale = 5}, [&](const guided_options& o, const auto& then) {
      guided with_guidance(backend, model, o);
      trained(with_guidance, [&](auto& trainer) {
        auto content = [&](auto& archive) { trainer.serialize(archive); };
        then(content);
      });
    });
  }
  SECTION("adapters, preconditioning and pictures at a time") {
    using unet_type = text_unet<cpu_backend>;
    const text_unet_options network{.unet = {.height = 4,
                                             .width = 4,
                                             .widths = {8},
                                             .encoder_blocks = 1,
                                             .middle_blocks = 1,
                                             .decoder_blocks = 1,
                                             .condition = 8,
                                             .groups = 2},
                                    .text_width = 8,
                                    .frequencies = {1, 2}};
    const auto path = std::filesystem::temp_directory_path() / ("fewstep-resume-" + std::to_string(::getpid()));
    const auto with = [&](lora_options lora, edm_consistency p, index_t rows_per_task, index_t heads,
                          const auto& then) {
      text_unet_options options = network;
      options.unet.heads = heads;
      unet_type model(backend, vocabulary({"red", "blue"}),
                      {.network = options, .preconditioner = p, .lora = lora, .rows_per_task = rows_per_task});
      struct grey {
        void operator()(matrix<const float>, std::span<const token_list>, std::span<float> out) const {
          std::fill(out.begin(), out.end(), 0.0f);
        }
      };
      auto trainer = rlcm(backend, model, grey{}, adam{}, {.horizon = 2, .batch = {.prompts = 2}});
      then(trainer);
    };
    const auto load_says = [&](const std::string& sentence) {
      return
          [&path, sentence](auto& trainer) { CHECK_THROWS_WITH(load_checkpoint(path, trainer), contains(sentence)); };
    };
    with({.rank = 2, .alpha = 8}, {}, 0, 1, [&](auto& trainer) { save_checkpoint(path, trainer); });
    with({.rank = 2, .alpha = 8}, {}, 0, 1, [&](auto& trainer) { CHECK_NOTHROW(load_checkpoint(path, trainer)); });
    with({.rank = 2, .alpha = 32}, {}, 0, 1, load_says("generator.lora.alpha = 8, but this run has 32"));
    with({.rank = 4, .alpha = 8}, {}, 0, 1, load_says("generator.lora.rank = 2, but this run has 4"));
    with({.rank = 2, .alpha = 8}, {.sigma_data = 0.4f}, 0, 1,
         load_says("generator.preconditioner.sigma_data = 0.5, but this run has 0.4"));
    with({.rank = 2, .alpha = 8}, {}, 2, 1, load_says("generator.rows_per_task = 0, but this run has 2"));
    with({.rank = 2, .alpha = 8}, {}, 0, 2, load_says("generator.network.unet.heads = 1, but this run has 2"));
    std::filesystem::remove(path);
  }
}

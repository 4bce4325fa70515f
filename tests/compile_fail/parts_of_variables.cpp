// SPDX-License-Identifier: Apache-2.0
#include "support/gaussian_consistency.hpp"

#include <fewstep/fewstep.hpp>
#include <fewstep/process/external_reward.hpp>

#include <memory>
#include <utility>

// A trainer holds its parts by value. Each variable here can be moved and not copied.

namespace {

using generator = fewstep::test::gaussian_consistency;

struct brightness {
  std::unique_ptr<int> judge{};
  template <class Context>
  void operator()(fewstep::matrix<const float>, std::span<const Context>, std::span<float>) {}
};
struct slope : brightness {
  void value_and_gradient(fewstep::matrix<const float>, std::span<const std::int32_t>, std::span<float>,
                          fewstep::matrix<float>) {}
};
struct own_advantage : fewstep::batch_advantage {
  std::unique_ptr<int> memory{};
};
struct own_optimizer : fewstep::sgd {
  std::unique_ptr<int> memory{};
};
struct own_regularizer : fewstep::no_regularizer {
  std::unique_ptr<int> memory{};
};
struct own_sampler : fewstep::consistency_sampler {
  std::unique_ptr<int> memory{};
};

fewstep::cpu_backend backend;
generator model;
brightness judge;
own_advantage advantage;
own_optimizer optimizer;
own_regularizer regularizer;
own_sampler sampler;
fewstep::async background(brightness{});
fewstep::external_reward process({.command = {"judge"}});
fewstep::policy_gradient_parts parts{.reward = brightness{}, .optimizer = fewstep::sgd{}};

}  // namespace

void accepted() {
  const auto copied = fewstep::per_sample([](auto sample, std::int32_t) { return sample[0]; });
  (void)fewstep::rlcm(backend, model, copied, fewstep::sgd{});
  (void)fewstep::rlcm(backend, model,
                      fewstep::policy_gradient_parts{.reward = std::move(judge),
                                                     .optimizer = std::move(optimizer),
                                                     .advantage = std::move(advantage),
                                                     .sampler = std::move(sampler),
                                                     .regularizer = std::move(regularizer)});
  (void)fewstep::rlcm(backend, model, std::move(parts));
  (void)fewstep::rlcm(backend, model, std::ref(judge), fewstep::sgd{});
}

void refused() {
  (void)fewstep::rlcm(backend, model, judge, fewstep::sgd{});           // error: holds its parts by value
  (void)fewstep::ddpo(backend, model, background, fewstep::adam{});     // error: this one cannot be copied
  (void)fewstep::flow_grpo(backend, model, process, fewstep::adamw{});  // error: hand it over with std::move
  (void)fewstep::ddpo_sf(backend, model, brightness{}, optimizer);      // error: share a reward with std::ref
  (void)fewstep::rebel(backend, model, parts, {});                      // error: holds its parts by value
  // The last step asks the reward too.
  (void)fewstep::rlcm_hybrid(backend, model, slope{}, fewstep::sgd{});  // error: share the reward with std::ref
  (void)fewstep::policy_gradient(backend, model, parts, {});            // error: holds its parts by value
}

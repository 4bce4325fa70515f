// SPDX-License-Identifier: Apache-2.0
// The algorithms on a device: the same results as on the CPU, exact ratios, recorded work that follows its settings.
#include "cuda/history.cuh"
#include "cuda/support.cuh"
#include "support/nearness.hpp"

#include <fewstep/advantage/batch.hpp>
#include <fewstep/algorithm/policy_gradient.hpp>
#include <fewstep/cuda.cuh>
#include <fewstep/generator/mlp_generator.hpp>
#include <fewstep/io/checkpoint.hpp>
#include <fewstep/objective/clipped_surrogate.hpp>
#include <fewstep/optimizer/adam.hpp>
#include <fewstep/regularizer/kl_to_reference.hpp>
#include <fewstep/reward/async.hpp>
#include <fewstep/reward/per_sample.hpp>
#include <fewstep/sampler/consistency.hpp>

#include <algorithm>
#include <filesystem>
#include <limits>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

using namespace fewstep;
using namespace fewstep::test;

namespace {

using judged_at_once = per_sample<nearness>;

/// The same, but samples of one class are worth nothing that there is a number for.
struct nearness_of_some {
  float operator()(vec<const float> x, std::int32_t context) const {
    return context == 1 ? std::numeric_limits<float>::quiet_NaN() : nearness{}(x, context);
  }
};

/// A trainer on a small perceptron with a reference.
template <class Backend, class Reward = judged_at_once, class Estimate = kl_estimate::exact>
struct rig {
  using generator_type = mlp_generator<Backend>;
  using parts = policy_gradient_parts<Reward, adam, clipped_surrogate, batch_advantage, consistency_sampler,
                                      identity_decoder, kl_to_reference<generator_type, Estimate>>;
  using trainer_type = policy_gradient<Backend, generator_type, parts>;

  Backend& backend;
  generator_type model, reference;
  std::vector<std::int32_t> contexts{0, 1, 2};

  explicit rig(Backend& b) : backend(b), model(b, settings(1)), reference(b, settings(2)) {}

  static typename generator_type::options settings(std::uint64_t seed) {
    return {.network = {.dimension = 5, .classes = 3, .hidden = {16, 24}}, .seed = seed};
  }
  trainer_type trainer(policy_gradient_options o = {}) { return trainer(o, Reward(nearness{})); }
  trainer_type trainer(policy_gradient_options o, Reward judge) {
    o.horizon = 3;
    o.batch.prompts = 3;
    o.batch.samples_per_prompt = 7;
    o.training.ema_decay = 0.9f;
    o.training.seed = 5;
    return {backend, model,
            parts{.reward = std::move(judge),
                  .optimizer = {.learning_rate = 3e-3f},
                  .objective = {.clip_range = 0.02f},
                  .sampler = {.last = last_step::reference},
                  .regularizer = {reference, {.coefficient = 0.1f}}},
            o};
  }
  /// Parameters after some updates, and the reports' figures.
  template <class Trainer>
  std::vector<float> run(Trainer& trainer, int updates) {
    using r = update_report;
    return history_of(backend, model, trainer, updates,
                      {&r::reward_mean, &r::loss, &r::ratio_deviation, &r::approximate_kl, &r::reference_kl,
                       &r::gradient_norm, &r::clip_fraction});
  }
};

}  // namespace

TEMPLATE_LIST_TEST_CASE("updates on a device are those of the CPU", "[cuda]", devices) {
  for (const int minibatches : {1, 2}) {
    const policy_gradient_options o{.inner_epochs = minibatches, .optimizer_steps = minibatches};
    cpu_backend cpu({.threads = 1});
    rig<cpu_backend> on_cpu(cpu);
    auto expected = on_cpu.trainer(o);
    TestType backend;
    rig<TestType> on_device(backend);
    auto trainer = on_device.trainer(o);
    CHECK(relative_error(on_device.run(trainer, 3), on_cpu.run(expected, 3)) < 1e-4);
    CHECK(relative_error(std::vector<float>(trainer.samples().begin(), trainer.samples().end()),
                         std::vector<float>(expected.samples().begin(), expected.samples().end())) < 1e-3);
    CHECK(relative_error(to_host(backend, trainer.ema().data, trainer.ema().size()),
                         std::vector<float>(expected.ema().begin(), expected.ema().end())) < 1e-3);
  }
}

TEMPLATE_LIST_TEST_CASE("updates with an estimate of the KL on a device are those of the CPU", "[cuda]", devices) {
  using estimate = kl_estimate::importance_weighted<kl_estimate::k3>;
  const policy_gradient_options o{.inner_epochs = 2, .optimizer_steps = 2};
  cpu_backend cpu({.threads = 1});
  rig<cpu_backend, judged_at_once, estimate> on_cpu(cpu);
  auto expected = on_cpu.trainer(o);
  TestType backend;
  rig<TestType, judged_at_once, estimate> on_device(backend);
  auto trainer = on_device.trainer(o);
  CHECK(relative_error(on_device.run(trainer, 3), on_cpu.run(expected, 3)) < 1e-4);
}

TEMPLATE_LIST_TEST_CASE("samples that are left out on a device are those of the CPU", "[cuda]", devices) {
  using judged = per_sample<nearness_of_some>;
  const auto run = [](auto& backend, int minibatches) {
    rig<std::remove_reference_t<decltype(backend)>, judged> r(backend);
    auto trainer = r.trainer({.inner_epochs = minibatches,
                              .optimizer_steps = minibatches,
                              .batch = {.rewards = {.when_not_finite = non_finite::leave_out, .at_most = 0.9f}}},
                             judged(nearness_of_some{}));
    std::vector<float> history;
    for (int k = 0; k < 5; ++k) {
      const update_report report = trainer.update(r.contexts);
      history.push_back(static_cast<float>(report.left_out));
    }
    const auto rest = r.run(trainer, 1);
    history.insert(history.end(), rest.begin(), rest.end());
    return history;
  };
  for (const int minibatches : {1, 2}) {
    cpu_backend cpu({.threads = 1});
    TestType backend, unrecorded({.graphs = false});
    const auto on_device = run(backend, minibatches), on_cpu = run(cpu, minibatches);
    CHECK(std::vector<float>(on_device.begin(), on_device.begin() + 5) ==
          std::vector<float>(on_cpu.begin(), on_cpu.begin() + 5));
    CHECK(*std::max_element(on_cpu.begin(), on_cpu.begin() + 5) > 0);
    CHECK(*std::min_element(on_cpu.begin(), on_cpu.begin() + 5) < 21);
    CHECK(relative_error(on_device, on_cpu) < 1e-4);
    CHECK(same_bits(on_device, run(unrecorded, minibatches)));
  }
}

TEMPLATE_LIST_TEST_CASE("importance ratios on a device are exactly 1 until the first optimizer step", "[cuda]",
                        devices) {
  TestType backend;
  rig<TestType> r(backend);
  auto trainer = r.trainer();
  for (int k = 0; k < 4; ++k) {
    const update_report report = trainer.update(r.contexts);
    check_first_replay(report);
  }
}

TEMPLATE_LIST_TEST_CASE("recorded work gives the bits of work that is launched piece by piece", "[cuda]", devices) {
  const auto run = [](bool graphs, int minibatches) {
    TestType backend({.graphs = graphs});
    rig<TestType> r(backend);
    auto trainer = r.trainer({.inner_epochs = minibatches,
                              .optimizer_steps = minibatches,
                              .training = {.schedule = {.warmup = 2, .hold = 3, .total = 6, .final = 0.1f}}});
    auto history = r.run(trainer, 4);
    // A setting that changes in the middle of a run.
    trainer.parts().objective.clip_range = 1e-3f;
    const auto rest = r.run(trainer, 2);
    history.insert(history.end(), rest.begin(), rest.end());
    return history;
  };
  for (const int minibatches : {1, 2}) {
    const auto recorded = run(true, minibatches);
    CHECK(same_bits(recorded, run(false, minibatches)));
    CHECK(same_bits(recorded, run(true, minibatches)));
  }
}

TEMPLATE_LIST_TEST_CASE("a reward in the background sees what it sees otherwise", "[cuda]", devices) {
  TestType backend;
  rig<TestType> plain(backend);
  auto trainer = plain.trainer();
  const auto expected = plain.run(trainer, 3);
  auto judge = async(per_sample(nearness{}));
  rig<TestType, decltype(judge)> aside(backend);
  auto other = aside.trainer({}, std::move(judge));
  CHECK(same_bits(aside.run(other, 3), expected));
}

TEMPLATE_LIST_TEST_CASE("a checkpoint of a device resumes bit for bit, and on the CPU", "[cuda]", devices) {
  const auto path = std::filesystem::temp_directory_path() / message("fewstep_cuda_", on_gpu<TestType>, "_checkpoint");
  TestType backend;
  rig<TestType> whole(backend), again(backend);
  auto uninterrupted = whole.trainer();
  (void)whole.run(uninterrupted, 2);
  save_checkpoint(path, uninterrupted);
  const auto expected = whole.run(uninterrupted, 2);

  auto resumed = again.trainer();
  load_checkpoint(path, resumed);
  CHECK(resumed.index() == 2);
  CHECK(same_bits(again.run(resumed, 2), expected));

  cpu_backend cpu({.threads = 1});
  rig<cpu_backend> on_cpu(cpu);
  auto there = on_cpu.trainer();
  load_checkpoint(path, there);
  CHECK(relative_error(on_cpu.run(there, 2), expected) < 1e-4);
  std::filesystem::remove(path);
}

TEMPLATE_LIST_TEST_CASE("a gradient that is not finite moves nothing on a device", "[cuda]", devices) {
  TestType backend;
  rig<TestType> r(backend);
  auto trainer = r.trainer();
  (void)r.run(trainer, 3);  // recorded by now
  trainer.parts().objective.clip_range = 0.02f;
  const auto before = to_host(backend, r.model.parameters().data, r.model.parameters().size());
  trainer.sample(r.contexts);
  std::vector<float> broken = before;
  broken[3] = std::numeric_limits<float>::max();  // finite, but nothing that is computed with it
  backend.copy_to_device(broken.data(), r.model.parameters().data, r.model.parameters().size());
  CHECK_THROWS_WITH(trainer.train(), contains("gradient norm"));
  CHECK(same_bits(to_host(backend, r.model.parameters().data, r.model.parameters().size()), broken));
  CHECK(!trainer.is_whole());
}

TEMPLATE_LIST_TEST_CASE("a class that the network does not have is refused before anything runs on a device", "[cuda]",
                        devices) {
  TestType backend;
  rig<TestType> r(backend);
  auto trainer = r.trainer();
  CHECK_THROWS_WITH(trainer.update(std::vector<std::int32_t>{7}), contains("class 7"));
}

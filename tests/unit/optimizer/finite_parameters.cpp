// SPDX-License-Identifier: Apache-2.0
#include <fewstep/optimizer/finite_parameters.hpp>

#include "support/tiny_reward_models.hpp"
#include "test.hpp"

#include <fewstep/algorithm/consistency_training.hpp>
#include <fewstep/algorithm/draft.hpp>
#include <fewstep/algorithm/rlcm.hpp>
#include <fewstep/backend/cpu/backend.hpp>
#include <fewstep/generator/mlp_generator.hpp>
#include <fewstep/io/checkpoint.hpp>
#include <fewstep/optimizer/adam.hpp>
#include <fewstep/optimizer/sgd.hpp>
#include <fewstep/reward/per_sample.hpp>
#include <fewstep/reward_model/preference_training.hpp>

#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <limits>
#include <span>
#include <string>
#include <vector>

using fewstep::cpu_backend;
using fewstep::index_t;
using fewstep::matrix;

namespace {

using mlp = fewstep::mlp_generator<cpu_backend>;
constexpr float not_a_number = std::numeric_limits<float>::quiet_NaN();
const std::vector<std::int32_t> contexts{0};

/// A user's optimizer, which writes NaN over one parameter in step `bad`.
struct spoils_one {
  std::int64_t bad = 0;
  index_t which = 0;
  template <class Backend>
  struct state {
    std::int64_t steps = 0;
    template <class Archive>
    void serialize(Archive& archive) {
      archive("steps", steps);
    }
  };
  template <class Backend>
  state<Backend> make_state(Backend&, index_t) const {
    return {};
  }
  std::size_t state_bytes(index_t) const { return 0; }
  template <class Backend>
  void update(Backend&, state<Backend>& s, const fewstep::optimizer_arrays& a, fewstep::step_scale) const {
    if (s.steps++ == bad) a.parameters[which] = not_a_number;
  }
};

struct nearness {
  void operator()(matrix<const float> samples, std::span<const std::int32_t>, std::span<float> out) const {
    for (index_t i = 0; i < samples.rows(); ++i) out[static_cast<std::size_t>(i)] = -std::abs(samples(i, 0));
  }
  void value_and_gradient(matrix<const float> samples, std::span<const std::int32_t> of, std::span<float> out,
                          matrix<float> gradient) const {
    (*this)(samples, of, out);
    for (index_t i = 0; i < samples.rows(); ++i)
      for (index_t d = 0; d < samples.cols(); ++d) gradient(i, d) = d > 0 ? 0.0f : samples(i, 0) > 0 ? -1.0f : 1.0f;
  }
};
struct zeros {
  void operator()(std::int64_t, matrix<float> x, std::span<std::int32_t>) const { std::fill(x.begin(), x.end(), 0.0f); }
};

/// A file in a place of its own.
struct checkpoint_file {
  std::filesystem::path path =
      std::filesystem::temp_directory_path() / ("fewstep-finite-" + std::to_string(::getpid()));
  checkpoint_file() = default;
  checkpoint_file(const checkpoint_file&) = delete;
  checkpoint_file& operator=(const checkpoint_file&) = delete;
  ~checkpoint_file() { std::filesystem::remove(path); }
  [[nodiscard]] std::string bytes() const {
    std::ifstream in(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(in), {}};
  }
};

}  // namespace

TEST_CASE("values that are not finite are counted") {
  cpu_backend backend({.threads = 2});
  std::vector<float> values(40000, 1.0f);
  CHECK(fewstep::count_not_finite(backend, fewstep::as_vec(std::span<const float>(values))) == 0);
  values[3] = not_a_number;
  values[20000] = std::numeric_limits<float>::infinity();
  values[39999] = -std::numeric_limits<float>::infinity();
  values[7] = std::numeric_limits<float>::max();
  CHECK(fewstep::count_not_finite(backend, fewstep::as_vec(std::span<const float>(values))) == 3);
  CHECK(fewstep::count_not_finite(backend, fewstep::vec<const float>{nullptr, {0}}) == 0);
}

TEST_CASE("a policy gradient never saves parameters that are not finite and names the update that left them so") {
  cpu_backend backend({.threads = 1});
  mlp model(backend, {});
  const checkpoint_file file;

  SECTION("a user's optimizer, and the parameter of a class that no sample has") {
    mlp with_classes(backend, {.network = {.classes = 2}});
    const index_t weights = with_classes.parameters().size();
    // Of the first layer's [in, out] the last row of inputs belongs to the class 1.
    const index_t unseen = (2 + 8 + 2) * 64 - 1;
    REQUIRE(unseen < weights);
    auto trainer = fewstep::rlcm(backend, with_classes, nearness{}, spoils_one{.bad = 2, .which = unseen},
                                 {.horizon = 2, .batch = {.prompts = 2, .samples_per_prompt = 2}});
    trainer.update(contexts);
    fewstep::save_checkpoint(file.path, trainer);
    const std::string good = file.bytes();
    trainer.update(contexts);
    trainer.update(contexts);
    CHECK_THROWS_WITH(
        fewstep::save_checkpoint(file.path, trainer),
        contains("policy_gradient: 1 of ") &&
            contains("parameters are not finite: update 2 left them so (they were finite after 1 of them)"));
    CHECK(file.bytes() == good);
    fewstep::load_checkpoint(file.path, trainer);
    CHECK(std::isfinite(with_classes.parameters()[unseen]));
    CHECK_NOTHROW(fewstep::save_checkpoint(file.path, trainer));
  }
  SECTION("the next update, which does not blame the reward") {
    auto trainer = fewstep::rlcm(backend, model, nearness{}, spoils_one{.bad = 1},
                                 {.horizon = 2, .batch = {.prompts = 2, .samples_per_prompt = 8}});
    trainer.update(contexts);
    trainer.update(contexts);
    CHECK_THROWS_WITH(trainer.update(contexts), contains("policy_gradient: 1 of ") &&
                                                    contains("parameters are not finite: update 1 left them so") &&
                                                    contains("lower learning rate"));
    CHECK_THROWS_WITH(fewstep::save_checkpoint(file.path, trainer), contains("update 1 left them so"));
    CHECK_FALSE(std::filesystem::exists(file.path));
  }
  SECTION("a learning rate that is too large, whose parameters are finite yet and whose samples are not") {
    auto trainer = fewstep::rlcm(backend, model, nearness{}, fewstep::sgd{.learning_rate = 3e38f},
                                 {.horizon = 2, .batch = {.prompts = 2, .samples_per_prompt = 8}});
    trainer.update(contexts);
    CHECK_THROWS_WITH(trainer.update(contexts), contains("of sample 0 of 16 is") && contains("the generator made it") &&
                                                    contains("a learning rate may be too large"));
  }
  SECTION("the average") {
    auto trainer = fewstep::rlcm(backend, model, nearness{}, spoils_one{.bad = 9},
                                 {.horizon = 2, .batch = {.prompts = 2}, .training = {.ema_decay = 0.5f}});
    const_cast<float&>(trainer.ema()[3]) = not_a_number;
    CHECK_THROWS_WITH(fewstep::save_checkpoint(file.path, trainer), contains("1 of ") && contains("not finite"));
  }
  SECTION("a generator that comes so") {
    model.parameters()[5] = not_a_number;
    CHECK_THROWS_WITH(fewstep::rlcm(backend, model, nearness{}, fewstep::adam{}),
                      contains("policy_gradient: 1 of ") && contains("not finite; load or initialise them anew"));
  }
  SECTION("the optimizer step before within one update") {
    auto trainer =
        fewstep::rlcm(backend, model, nearness{}, spoils_one{.bad = 0},
                      {.horizon = 2, .optimizer_steps = 2, .batch = {.prompts = 4, .samples_per_prompt = 2}});
    CHECK_THROWS_WITH(trainer.update(contexts), contains("parameters are not finite: update 0 left them so"));
  }
}

TEST_CASE("every other training never saves parameters that are not finite either") {
  cpu_backend backend({.threads = 1});
  const checkpoint_file file;
  SECTION("direct reward gradient") {
    mlp model(backend, {});
    auto trainer =
        fewstep::draft(backend, model, nearness{}, spoils_one{.bad = 1}, {.horizon = 2, .batch = {.prompts = 2}});
    trainer.update(contexts);
    CHECK_NOTHROW(fewstep::save_checkpoint(file.path, trainer));
    trainer.update(contexts);
    CHECK_THROWS_WITH(fewstep::save_checkpoint(file.path, trainer),
                      contains("direct_reward_gradient: 1 of ") && contains("update 1 left them so;"));
    CHECK_THROWS_WITH(trainer.update(contexts), contains("update 1 left them so;"));
  }
  SECTION("consistency training") {
    mlp model(backend, {});
    fewstep::consistency_training training(backend, model, spoils_one{.bad = 1}, {.batch = 4});
    zeros data;
    training.step(data);
    CHECK_NOTHROW(fewstep::save_checkpoint(file.path, training));
    training.step(data);
    CHECK_THROWS_WITH(fewstep::save_checkpoint(file.path, training),
                      contains("consistency_training: 1 of ") && contains("step 1 left them so;"));
    CHECK_THROWS_WITH(training.step(data), contains("step 1 left them so;"));
  }
  SECTION("training of a reward model") {
    namespace squares = fewstep::test::squares;
    auto model = squares::make_preference_model(backend, false);
    fewstep::preference_training<cpu_backend, spoils_one> training(backend, model, spoils_one{.bad = 0}, {.batch = 2});
    const auto pairs = [](std::int64_t, matrix<float> winners, matrix<float> losers, std::span<fewstep::token_list>) {
      std::fill(winners.begin(), winners.end(), 0.5f);
      std::fill(losers.begin(), losers.end(), -0.5f);
    };
    training.step(pairs);
    CHECK_THROWS_WITH(fewstep::save_checkpoint(file.path, training),
                      contains("preference_training: 1 of ") && contains("step 0 left them so;"));
  }
}

TEST_CASE("a sample that is not finite is called that and the reward is not blamed") {
  cpu_backend backend({.threads = 1});
  mlp model(backend, {});
  struct breaks_one {
    [[nodiscard]] index_t decoded_size(index_t size) const { return size; }
    void operator()(cpu_backend&, matrix<const float> samples, matrix<float> decoded) const {
      std::copy(samples.begin(), samples.end(), decoded.begin());
      decoded(3, 1) = not_a_number;
    }
  };
  const auto with = [&](auto reward) {
    fewstep::policy_gradient_parts parts{.reward = reward, .optimizer = fewstep::adam{}, .decoder = breaks_one{}};
    return fewstep::policy_gradient<cpu_backend, mlp, decltype(parts)>(
        backend, model, std::move(parts), {.horizon = 2, .batch = {.prompts = 2, .samples_per_prompt = 4}});
  };
  const auto of_second = [](fewstep::vec<const float> x, std::int32_t) { return x[1]; };
  auto trainer = with(fewstep::per_sample(of_second));
  CHECK_THROWS_WITH(trainer.update(contexts), contains("value 1 of sample 3 of 8 is nan: the generator made it"));
  auto throws = with(fewstep::per_sample([](fewstep::vec<const float> x, std::int32_t) {
    if (std::isnan(x[1])) throw std::runtime_error("not a picture");
    return x[1];
  }));
  CHECK_THROWS_WITH(throws.update(contexts), contains("value 1 of sample 3 of 8 is nan"));
  auto blamed = with(fewstep::per_sample(
      [](fewstep::vec<const float>, std::int32_t) -> float { throw std::runtime_error("no reward"); }));
  CHECK_THROWS_WITH(blamed.update(contexts), contains("value 1 of sample 3 of 8 is nan"));
  fewstep::policy_gradient_parts sound{
      .reward = fewstep::per_sample([](fewstep::vec<const float>, std::int32_t) { return not_a_number; }),
      .optimizer = fewstep::adam{}};
  fewstep::policy_gradient<cpu_backend, mlp, decltype(sound)> of_sound(backend, model, std::move(sound),
                                                                       {.horizon = 2, .batch = {.prompts = 2}});
  CHECK_THROWS_WITH(of_sound.update(contexts), contains("the reward of sample 0 of 2 is nan"));
}

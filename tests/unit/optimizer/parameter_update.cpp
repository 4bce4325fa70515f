// SPDX-License-Identifier: Apache-2.0
#include <fewstep/optimizer/parameter_update.hpp>

#include "support/allocations.hpp"
#include "support/arrays.hpp"
#include "test.hpp"

#include <fewstep/algorithm/draft.hpp>
#include <fewstep/algorithm/rlcm.hpp>
#include <fewstep/backend/cpu/backend.hpp>
#include <fewstep/core/tensor.hpp>
#include <fewstep/generator/mlp_generator.hpp>
#include <fewstep/optimizer/adam.hpp>
#include <fewstep/optimizer/sgd.hpp>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

using fewstep::cpu_backend;
using fewstep::index_t;
using fewstep::vec;

namespace {

/// A flat model that counts how often it is told of a change.
struct flat_model {
  std::vector<float> values, slopes;
  int changes = 0;
  explicit flat_model(std::vector<float> start) : values(std::move(start)), slopes(values.size()) {}
  vec<float> parameters() { return fewstep::as_vec(std::span(values)); }
  vec<float> gradients() { return fewstep::as_vec(std::span(slopes)); }
  void parameters_changed() { ++changes; }
};

/// A user's optimizer with a state of three arrays, one of them of half the length.
struct of_many_arrays {
  template <class Backend>
  struct state {
    fewstep::tensor<float, 1, Backend> a, b, c;
    template <class Archive>
    void serialize(Archive& archive) {
      archive("a", a.view());
      archive("b", b.view());
      archive("c", c.view());
    }
  };
  template <class Backend>
  state<Backend> make_state(Backend& backend, index_t n) const {
    return {{backend, {n}}, {backend, {n}}, {backend, {n / 2}}};
  }
  std::size_t state_bytes(index_t n) const { return static_cast<std::size_t>(2 * n + n / 2) * sizeof(float); }
  template <class Backend>
  void update(Backend&, state<Backend>&, const fewstep::optimizer_arrays&, fewstep::step_scale) const {}
};

template <class Optimizer>
using update_of = fewstep::parameter_update<cpu_backend, flat_model, Optimizer>;

struct nearness {
  void operator()(fewstep::matrix<const float> x, std::span<const std::int32_t>, std::span<float> out) const {
    for (index_t i = 0; i < x.rows(); ++i) out[static_cast<std::size_t>(i)] = -x(i, 0) * x(i, 0);
  }
  void value_and_gradient(fewstep::matrix<const float> x, std::span<const std::int32_t> of, std::span<float> out,
                          fewstep::matrix<float> gradient) const {
    (*this)(x, of, out);
    for (index_t i = 0; i < x.rows(); ++i)
      for (index_t d = 0; d < x.cols(); ++d) gradient(i, d) = d == 0 ? -2 * x(i, 0) : 0.0f;
  }
};

/// What an archive is given, by name.
struct names_and_sizes {
  static constexpr bool saves = true, loads = false;
  std::map<std::string, std::size_t, std::less<>> sizes;
  std::string prefix;

  template <class T>
  void operator()(std::string_view name, T&& value) {
    const std::string full = prefix + std::string(name);
    if constexpr (requires { value.serialize(*this); }) {
      const std::string outer = prefix;
      prefix = full + ".";
      value.serialize(*this);
      prefix = outer;
    } else if constexpr (requires { value.size(); }) {
      sizes[full] = static_cast<std::size_t>(value.size());
    } else {
      sizes[full] = 1;
    }
  }
};

}  // namespace

TEMPLATE_TEST_CASE("what an update holds is what it plans", "", fewstep::sgd, fewstep::adam, fewstep::adamw,
                   of_many_arrays) {
  const float decay = GENERATE(0.0f, 0.9f);
  cpu_backend backend({.threads = 1});
  const TestType optimizer;
  constexpr index_t n = 1'000'001;
  flat_model model{std::vector<float>(n)};
  const fewstep::ema_rule ema{.decay = decay};
  const std::size_t planned = update_of<TestType>::bytes(model, optimizer, ema);
#ifdef FEWSTEP_TEST_COUNTS_ALLOCATIONS
  const std::int64_t before = fewstep::test::live_bytes;
  const update_of<TestType> update(backend, model, optimizer, {.who = "test", .ema = ema});
  const auto held = static_cast<double>(fewstep::test::live_bytes - before) + 2.0 * n * sizeof(float);
  CHECK(held == Approx(static_cast<double>(planned)).epsilon(0.001));
#endif

  // What a checkpoint keeps of the state is all that there is.
  update_of<TestType> saved(backend, model, optimizer, {.who = "test", .ema = ema});
  names_and_sizes archive;
  saved.serialize(archive);
  std::size_t floats = n;  // gradients are not saved
  for (const auto& [name, size] : archive.sizes)
    if (size > 1) floats += size;
  CHECK(planned == floats * sizeof(float));
}

TEST_CASE("the plan of a trainer counts the state of its optimizer and the average") {
  cpu_backend backend({.threads = 1});
  fewstep::mlp_generator<cpu_backend> model(backend, {});
  const auto n = static_cast<std::size_t>(model.parameters().size());
  const auto copies = [&](const auto& optimizer, float decay) {
    const auto policy = fewstep::rlcm(backend, model, nearness{}, optimizer, {.training = {.ema_decay = decay}});
    const auto direct = fewstep::draft(backend, model, nearness{}, optimizer, {.training = {.ema_decay = decay}});
    CHECK(policy.memory().parameters == direct.memory().parameters);
    return static_cast<double>(policy.memory().parameters) / static_cast<double>(n * sizeof(float));
  };
  CHECK(copies(fewstep::sgd{}, 0) == 3);  // parameters, gradients, velocity
  CHECK(copies(fewstep::sgd{.momentum = 0.9f}, 0) == 3);
  CHECK(copies(fewstep::adam{}, 0) == 4);
  CHECK(copies(fewstep::adam{}, 0.9f) == 5);
  CHECK(copies(of_many_arrays{}, 0) == Approx(4.5).epsilon(1e-3));
}

TEST_CASE("an update keeps its names in a checkpoint") {
  cpu_backend backend({.threads = 1});
  flat_model model{{1, 2, 3}};
  fewstep::parameter_update<cpu_backend, flat_model, fewstep::adam> update(
      backend, model, fewstep::adam{}, {.who = "test", .count = "index", .ema = {.decay = 0.5f}});
  names_and_sizes archive;
  update.serialize(archive);
  CHECK(archive.sizes == std::map<std::string, std::size_t, std::less<>>{{"parameters", 3},
                                                                         {"average", 3},
                                                                         {"optimizer.first", 3},
                                                                         {"optimizer.second", 3},
                                                                         {"optimizer.steps", 1},
                                                                         {"index", 1}});
}

TEST_CASE("a step clips, follows the schedule, moves the average and tells the model") {
  cpu_backend backend({.threads = 1});
  flat_model model{{1, -2}};
  const fewstep::sgd optimizer{.learning_rate = 0.5f};
  update_of<fewstep::sgd> update(
      backend, model, optimizer,
      {.who = "test", .max_gradient_norm = 1, .ema = {.decay = 0.75f}, .schedule = {.warmup = 2}});
  model.slopes = {3, 4};
  CHECK(update.step(optimizer) == Approx(5));
  CHECK(update.index() == 0);
  update.next();
  CHECK(update.index() == 1);
  CHECK(model.changes == 1);
  // A gradient of norm 1, half of the rate, a quarter of the way.
  CHECK(model.values[0] == Approx(1 - 0.25 * 0.6));
  CHECK(model.values[1] == Approx(-2 - 0.25 * 0.8));
  CHECK(update.ema()[0] == Approx(1 - 0.25 * 0.25 * 0.6));
  update.step(optimizer);
  CHECK(model.values[0] == Approx(1 - 0.25 * 0.6 - 0.5 * 0.6));
}

TEST_CASE("the decay of the average rises where there is a warm-up") {
  constexpr fewstep::ema_rule plain{.decay = 0.9f};
  const fewstep::ema_rule warm{.decay = 0.9f, .warmup = true};
  CHECK(plain(0) == 0.9f);
  CHECK(warm(0) == Approx(0.1));
  CHECK(warm(8) == Approx(0.5));
  CHECK(warm(79) == Approx(80.0 / 89));
  CHECK(warm(80) == 0.9f);  // 81 / 90
  CHECK(warm(100000) == 0.9f);
  CHECK_FALSE(fewstep::ema_rule{}.is_kept());
}

TEST_CASE("an update refuses what is not finite and says what to do") {
  cpu_backend backend({.threads = 1});
  flat_model model{{1, -2}};
  const fewstep::adam optimizer;
  update_of<fewstep::adam> update(backend, model, optimizer, {.who = "my_training", .unit = "pass"});
  update.step(optimizer);
  update.next();
  const auto before = model.values;
  model.slopes[1] = std::numeric_limits<float>::infinity();
  CHECK_THROWS_WITH(update.step(optimizer), contains("my_training: pass 1 has the gradient norm inf; the parameters "
                                                     "were not moved by it; lower the learning rate"));
  model.slopes[1] = 0;
  CHECK_THROWS_WITH(update.step(optimizer, std::nan("")),
                    contains("my_training: pass 1 has loss nan and gradient norm 0"));
  CHECK(model.values == before);
  model.values[0] = std::nanf("");
  model.slopes[1] = std::nanf("");
  CHECK_THROWS_WITH(update.step(optimizer), contains("my_training: 1 of 2 parameters are not finite"));
}

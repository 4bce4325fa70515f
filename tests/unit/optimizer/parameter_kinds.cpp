// SPDX-License-Identifier: Apache-2.0
#include "support/arrays.hpp"
#include "support/tiny_reward_models.hpp"
#include "test.hpp"

#include <fewstep/backend/cpu/backend.hpp>
#include <fewstep/core/parameter_kind.hpp>
#include <fewstep/generator/mlp_generator.hpp>
#include <fewstep/io/checkpoint.hpp>
#include <fewstep/optimizer/adam.hpp>
#include <fewstep/optimizer/optimizer.hpp>
#include <fewstep/optimizer/parameter_update.hpp>

#include <unistd.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <map>
#include <span>
#include <string>
#include <vector>

using fewstep::adamw;
using fewstep::as_vec;
using fewstep::cpu_backend;
using fewstep::index_t;
using fewstep::parameter_kind;
using fewstep::parameter_kinds;
using fewstep::vec;

namespace {

template <class Model>
using update_of = fewstep::parameter_update<cpu_backend, Model, adamw>;

/// A flat model that says nothing of its parameters, and one that says too little.
struct flat_model {
  std::vector<float> values{1, 2}, slopes{0, 0};
  vec<float> parameters() { return as_vec(std::span(values)); }
  vec<float> gradients() { return as_vec(std::span(slopes)); }
};
struct half_described : flat_model {
  fewstep::parameter_layout of_one;
  half_described() { of_one.add_constant("only.bias", 1, 0); }
  const fewstep::parameter_layout& layout() const { return of_one; }
};

}  // namespace

TEST_CASE("a set of parameter kinds holds what it is made of") {
  constexpr parameter_kinds some = parameter_kind::weight | parameter_kind::scale;
  CHECK(some.holds(parameter_kind::weight));
  CHECK(some.holds(parameter_kind::scale));
  CHECK_FALSE(some.holds(parameter_kind::bias));
  CHECK_FALSE(some.holds(parameter_kind::gain));
  CHECK_FALSE(some.holds(parameter_kind::table));
  CHECK((some | parameter_kind::bias | parameter_kind::gain | parameter_kind::table) == fewstep::every_parameter);
}

TEST_CASE("the slices of a network have the kinds that their names say") {
  cpu_backend backend({.threads = 1});
  const auto model = fewstep::test::squares::make_two_tower(backend);
  std::map<parameter_kind, int> seen;
  for (const auto& slice : model.layout().slices()) {
    CAPTURE(slice.name);
    ++seen[slice.role];
    const bool matrix = slice.kind != fewstep::slice_kind::plain;
    if (slice.name == "logit_scale")
      CHECK(slice.role == parameter_kind::scale);
    else if (slice.name.ends_with(".bias"))
      CHECK(slice.role == parameter_kind::bias);
    else if (matrix)
      CHECK(slice.role == parameter_kind::weight);
    else if (slice.extents.size() == 2)
      CHECK(slice.role == parameter_kind::table);
    else
      CHECK(slice.role == parameter_kind::gain);
  }
  CHECK(seen.size() == 5);
}

TEST_CASE("decay leaves out the kinds that it is not for") {
  cpu_backend backend({.threads = 2});
  fewstep::mlp_generator<cpu_backend> model(backend, {.network = {.dimension = 3, .hidden = {9, 7}}});
  const index_t n = model.parameters().size();
  std::fill_n(model.parameters().data, n, 1.0f);
  const adamw optimizer{.learning_rate = 0.5f, .weight_decay = 0.25f, .decay_on = fewstep::weights_and_tables};
  const float decay = GENERATE(0.0f, 0.5f);
  update_of<decltype(model)> update(backend, model, optimizer, {.who = "test", .ema = {.decay = decay}});
  update.step(optimizer);  // without gradients only the decay moves a parameter
  for (const auto& slice : model.layout().slices())
    for (index_t i = slice.offset; i < slice.offset + slice.size(); ++i)
      REQUIRE(model.parameters()[i] == (slice.role == parameter_kind::weight ? 0.875f : 1.0f));
  CHECK(update_of<decltype(model)>::bytes(model, optimizer, {}) ==
        update_of<decltype(model)>::bytes(model, adamw{}, {}) + static_cast<std::size_t>(n));
}

TEST_CASE("decay on all parameters has the same bits whether their kinds are known or not") {
  cpu_backend backend({.threads = 1});
  constexpr index_t n = 1027;
  const auto start = fewstep::test::normals<float>(n, 1);
  std::vector<parameter_kind> kinds(n);
  for (std::size_t i = 0; i < n; ++i) kinds[i] = static_cast<parameter_kind>(i % 5);
  auto known = start, unknown = start;
  const adamw optimizer{.learning_rate = 0.01f, .weight_decay = 0.1f};
  auto state_known = make_optimizer_state(optimizer, backend, n),
       state_unknown = make_optimizer_state(optimizer, backend, n);
  for (std::uint64_t step = 0; step < 4; ++step) {
    const auto gradient = fewstep::test::normals<float>(n, 2 + step);
    fewstep::optimizer_arrays arrays{as_vec(std::span(known)), as_vec(std::span(gradient))};
    arrays.kinds = as_vec(std::span<const parameter_kind>(kinds));
    optimizer_step(optimizer, backend, state_known, arrays, {0.9f, 0.7f});
    optimizer_step(optimizer, backend, state_unknown, {as_vec(std::span(unknown)), as_vec(std::span(gradient))},
                   {0.9f, 0.7f});
  }
  CHECK(fewstep::test::same_bits(known, unknown));
}

TEST_CASE("all parameters of a model that does not say what they are for are weights") {
  cpu_backend backend({.threads = 1});
  const adamw on_biases{.learning_rate = 1, .weight_decay = 0.5f, .decay_on = parameter_kind::bias};
  flat_model model;
  update_of<flat_model> update(backend, model, on_biases, {.who = "test"});
  update.step(on_biases);
  CHECK(model.values == std::vector<float>{1, 2});
  const adamw on_weights{.learning_rate = 1, .weight_decay = 0.5f, .decay_on = parameter_kind::weight};
  update.step(on_weights);
  CHECK(model.values == std::vector<float>{0.5f, 1});

  half_described short_layout;
  CHECK_THROWS_WITH((update_of<half_described>(backend, short_layout, on_biases, {.who = "test"})),
                    contains("test: the model's layout() has 1 parameters, but it has 2"));
}

TEST_CASE("a run with another set of decaying kinds is not resumed") {
  const auto path = std::filesystem::temp_directory_path() / ("fewstep-kinds-" + std::to_string(::getpid()));
  const auto of = [](const adamw& optimizer) {
    return [optimizer](auto& archive) { match_part(archive, "optimizer", optimizer); };
  };
  fewstep::save_checkpoint(path, of({}));
  CHECK_NOTHROW(fewstep::load_checkpoint(path, of({})));
  CHECK_THROWS_WITH(fewstep::load_checkpoint(path, of({.decay_on = fewstep::weights_and_tables})),
                    contains("optimizer.decay_on"));
  fewstep::save_checkpoint(path, of({.decay_on = fewstep::weights_and_tables}));
  CHECK_NOTHROW(fewstep::load_checkpoint(path, of({.decay_on = fewstep::weights_and_tables})));
  CHECK_THROWS_WITH(fewstep::load_checkpoint(path, of({.decay_on = parameter_kind::weight})),
                    contains("was made with optimizer.decay_on = 9, but this run has 1"));
  CHECK_THROWS_WITH(fewstep::load_checkpoint(path, of({})), contains("optimizer.decay_on"));
  std::filesystem::remove(path);
}

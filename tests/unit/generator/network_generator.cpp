// SPDX-License-Identifier: Apache-2.0
#include "support/arrays.hpp"
#include "support/tiny_text_unet.hpp"
#include "test.hpp"

#include <fewstep/generator/network_generator.hpp>
#include <fewstep/generator/text_unet.hpp>
#include <fewstep/nn/conv2d.hpp>
#include <fewstep/nn/unet.hpp>
#include <fewstep/testing/check_generator.hpp>

#include <algorithm>
#include <optional>
#include <utility>
#include <vector>

using fewstep::cpu_backend;
using fewstep::index_t;
using fewstep::matrix;
using fewstep::vec;
using fewstep::test::make_tiny_text_unet;
using fewstep::test::normals;
using fewstep::test::same_bits;
using fewstep::test::text_rows;

namespace own {

//! [network]
using namespace fewstep;

// Two convolutions of pictures [4, 4, 16].
struct two_convolutions {
  using context_type = std::int32_t;  // not looked at: there is no condition
  struct tape {
    conv2d<float>::tape first, second;
  };
  conv2d<float> first, second;

  two_convolutions(parameter_layout& layout, index_t width)
      : first(layout, "first", 16, width), second(layout, "second", width, 16) {}

  static index_t sample_size() { return 4 * 4 * 16; }

  template <class Pass>
  matrix<float> forward(Pass& p, matrix<const float> x, vec<const float>, context_rows<std::int32_t>,
                        tape& kept) const {
    const auto hidden = first.forward(p, {x.data, {x.rows(), 4, 4, 16}}, kept.first);
    return {second.forward(p, hidden, kept.second).data, x.extents};
  }
  template <class Pass>
  matrix<float> backward(Pass& p, matrix<const float> gy, const tape& kept) const {
    const auto hidden = second.backward(p, {gy.data, {gy.rows(), 4, 4, 16}}, kept.second);
    return {first.backward(p, hidden, kept.first).data, gy.extents};
  }
};
//! [network]

// A U-Net of pictures [4, 4, 2], behind a convolution that is trained too.
struct unet_behind_convolution {
  using context_type = std::int32_t;
  struct tape {
    conv2d<float>::tape first;
    unet<float>::tape second;
  };
  conv2d<float> first;
  unet<float> second;

  unet_behind_convolution(parameter_layout& layout, const unet_options& o)
      : first(layout, "first", 2, o.channels), second(layout, "second", o) {}

  static index_t sample_size() { return 4 * 4 * 2; }

  template <class Pass>
  matrix<float> condition(Pass& p, index_t rows) const {
    const auto zeros = p.memory.template allocate<float, 2>({rows, second.options().condition});
    p.executor.for_each(zeros.size(), detail::fill<float>{zeros.data, 0.0f});
    return zeros;
  }
  template <class Pass>
  matrix<float> forward(Pass& p, matrix<const float> x, vec<const float>, context_rows<std::int32_t>,
                        tape& kept) const {
    const auto hidden = first.forward(p, {x.data, {x.rows(), 4, 4, 2}}, kept.first);
    return {second.forward(p, hidden, condition(p, x.rows()), kept.second).data, x.extents};
  }
  template <class Pass>
  matrix<float> backward(Pass& p, matrix<const float> gy, const tape& kept) const {
    const auto hidden = second.backward(p, {gy.data, {gy.rows(), 4, 4, 2}}, condition(p, gy.rows()), kept.second);
    return {first.backward(p, hidden, kept.first).data, gy.extents};
  }
};

}  // namespace own

namespace {

using pictures = fewstep::network_generator<cpu_backend, own::two_convolutions>;
static_assert(fewstep::differentiable_generator<pictures, cpu_backend>);

constexpr index_t count = 40, size = 4 * 4 * 16;

struct problem {
  std::vector<float> x = normals<float>(count * size, 1), times = std::vector<float>(count, 0.7f),
                     probe = normals<float>(count * size, 2);
  std::vector<std::int32_t> contexts = std::vector<std::int32_t>(count);

  [[nodiscard]] fewstep::batch<std::int32_t> rows() const {
    return {{x.data(), {count, size}}, {times.data(), {count}}, {contexts.data(), {count}}};
  }
  /// Outputs and gradients.
  std::vector<float> evaluate(cpu_backend& backend, pictures& model, pictures::workspace_type& workspace) const {
    std::vector<float> all(x.size()), o(x.size());
    std::fill(model.gradients().begin(), model.gradients().end(), 0.0f);
    model.predict(backend, rows(), {all.data(), {count, size}}, workspace);
    model.forward(backend, rows(), {o.data(), {count, size}}, workspace);
    model.backward(backend, rows(), {probe.data(), {count, size}}, workspace);
    all.insert(all.end(), o.begin(), o.end());
    all.insert(all.end(), model.gradients().begin(), model.gradients().end());
    return all;
  }
  std::vector<float> evaluate(cpu_backend& backend, pictures& model) const {
    auto workspace = model.make_workspace(backend, count);
    return evaluate(backend, model, workspace);
  }
};

/// What a model gives that has never had other parameters.
std::vector<float> afresh(cpu_backend& backend, const problem& in, vec<const float> parameters) {
  pictures other(backend, 32, {}, {.seed = 7});
  std::copy(parameters.begin(), parameters.end(), other.parameters().begin());
  return in.evaluate(backend, other);
}

}  // namespace

TEST_CASE("network_generator makes a generator of a network of one's own") {
  cpu_backend backend({.threads = GENERATE(1, 2)});
  pictures model(backend, 32);
  const std::vector<std::int32_t> contexts{0};
  check_generator(backend, model, contexts);
  CHECK(model.layout().slices().front().name == "first.weight");
  CHECK(pictures::name == "network");
}

TEST_CASE("network_generator: a U-Net may stand behind another module") {
  cpu_backend backend({.threads = 1});
  const fewstep::unet_options o{
      .height = 4, .width = 4, .channels = 2, .patch = 1, .widths = {4, 8}, .heads = 2, .condition = 3, .groups = 2};
  fewstep::network_generator<cpu_backend, own::unet_behind_convolution> model(backend, o);
  const std::vector<float> values = normals<float>(model.parameters().size(), 3, 0.3);
  std::copy(values.begin(), values.end(), model.parameters().begin());
  check_generator(backend, model, std::vector<std::int32_t>{0}, {.tolerance = 5e-3});
}

TEST_CASE("network_generator: parameters that are written to a view of their own count at once, both ways") {
  cpu_backend backend({.threads = 2});
  const problem in;
  pictures model(backend, 32);
  auto workspace = model.make_workspace(backend, count);
  auto before = in.evaluate(backend, model, workspace);
  for (const index_t i : {index_t{1}, model.parameters().size() - 1}) {
    model.parameters()[i] += 0.25f;
    const auto after = in.evaluate(backend, model, workspace);
    CHECK(!same_bits(after, before));
    CHECK(same_bits(after, afresh(backend, in, std::as_const(model).parameters())));
    before = after;
  }
}

TEST_CASE("network_generator: a step through a view from before the last use is found, unless it is told of") {
  cpu_backend backend({.threads = 1});
  const problem in;
  pictures model(backend, 32);
  auto workspace = model.make_workspace(backend, count);
  const vec<float> kept = model.parameters();
  (void)in.evaluate(backend, model, workspace);
  for (float& value : kept) value += 0.125f;
  std::vector<float> o(in.x.size());
  const matrix<float> to{o.data(), {count, size}};
  const std::string reason = "parameters were changed through a view that is older than their last use";
  CHECK_THROWS_WITH(model.predict(backend, in.rows(), to, workspace), contains(reason));
  CHECK_THROWS_WITH(model.forward(backend, in.rows(), to, workspace), contains(reason));
  CHECK_THROWS_WITH(model.backward(backend, in.rows(), to, workspace), contains(reason));
  model.parameters_changed();
  CHECK(same_bits(in.evaluate(backend, model, workspace), afresh(backend, in, kept)));
}

TEST_CASE("base is the network without its adapters, in the same memory, also when the model has moved or gone") {
  cpu_backend backend({.threads = 2});
  const text_rows all(5, 8 * 8 * 3, 3);
  const auto predict = [&](auto& g) {
    std::vector<float> o(all.x.size());
    auto workspace = g.make_workspace(backend, 0);
    g.predict(backend, all.rows(), {o.data(), {all.count, g.sample_size()}}, workspace);
    return o;
  };
  auto plain = make_tiny_text_unet(backend);
  auto model = std::make_optional(make_tiny_text_unet(backend, fewstep::lora_options{.rank = 2}));
  auto base = model->base();
  const auto expected = predict(plain);
  CHECK(same_bits(predict(base), expected));
  CHECK(!same_bits(predict(*model), expected));
  for (float& value : model->parameters()) value -= 1;
  CHECK(same_bits(predict(base), expected));
  auto moved = std::move(*model);
  model.reset();
  CHECK(same_bits(predict(base), expected));
  for (float& value : moved.base_parameters()) value *= 0.5f;
  CHECK(!same_bits(predict(base), expected));
  { const auto gone = std::move(moved); }
  CHECK(predict(base).size() == expected.size());
  CHECK(base.held_bytes(false) == 0);
  CHECK(!fewstep::generator<decltype(base), cpu_backend>);
  CHECK_THROWS_WITH(plain.base(), contains("text_unet: there are no adapters, so the base is what training changes"));
}

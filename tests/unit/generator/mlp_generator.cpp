// SPDX-License-Identifier: Apache-2.0
#include "support/arrays.hpp"
#include "test.hpp"

#include <fewstep/backend/cpu/backend.hpp>
#include <fewstep/generator/mlp_generator.hpp>

#include <cmath>
#include <cstdint>
#include <type_traits>
#include <vector>

using fewstep::cpu_backend;
using fewstep::index_t;
using fewstep::matrix;
using fewstep::test::same_bits;

namespace {

using mlp = fewstep::mlp_generator<cpu_backend>;
constexpr index_t dimension = 3, classes = 4;

mlp make(cpu_backend& backend) {
  return {backend, {.network = {.dimension = dimension, .classes = classes, .hidden = {17, 9}}, .seed = 2}};
}

struct class_rows {
  index_t count;
  std::vector<float> x, times;
  std::vector<std::int32_t> numbers;
  explicit class_rows(index_t n) : count(n), x(fewstep::test::normals<float>(n * dimension, 1)) {
    for (index_t r = 0; r < n; ++r) {
      times.push_back(0.002f * std::pow(40000.0f, static_cast<float>(r) / static_cast<float>(n)));
      numbers.push_back(static_cast<std::int32_t>(r % classes));
    }
  }
  [[nodiscard]] fewstep::batch<std::int32_t> rows() const {
    return {{x.data(), {count, dimension}}, {times.data(), {count}}, {numbers.data(), {count}}};
  }
};

/// The network in double precision, from its parameters by name; `context` is what it sees of the context.
template <class Model>
std::vector<double> exact(Model& model, const class_rows& in, index_t r, const std::vector<double>& context) {
  const auto row = static_cast<std::size_t>(r);
  const double scale = static_cast<double>(model.preconditioner()(in.times[row]).in);
  std::vector<double> h;
  for (index_t d = 0; d < dimension; ++d)
    h.push_back(scale * static_cast<double>(in.x[static_cast<std::size_t>(r * dimension + d)]));
  // As the Fourier features of the library have it: of ln(t) / 4.
  const double level = 0.25 * std::log(static_cast<double>(in.times[row]));
  for (const double f : {0.5, 1.0, 2.0, 4.0}) h.push_back(std::sin(f * level));
  for (const double f : {0.5, 1.0, 2.0, 4.0}) h.push_back(std::cos(f * level));
  h.insert(h.end(), context.begin(), context.end());
  const auto& slices = model.layout().slices();
  for (std::size_t layer = 0; 2 * layer < slices.size(); ++layer) {
    const auto &weight = slices[2 * layer], &bias = slices[2 * layer + 1];
    const index_t out = weight.extents[1];
    std::vector<double> next(static_cast<std::size_t>(out));
    for (index_t j = 0; j < out; ++j) {
      double sum = static_cast<double>(model.parameters()[bias.offset + j]);
      for (std::size_t i = 0; i < h.size(); ++i)
        sum += h[i] * static_cast<double>(model.parameters()[weight.offset + static_cast<index_t>(i) * out + j]);
      next[static_cast<std::size_t>(j)] = 2 * layer + 2 < slices.size() ? sum / (1 + std::exp(-sum)) : sum;
    }
    h = next;
  }
  return h;
}
std::vector<double> exact(mlp& model, const class_rows& in, index_t r) {
  std::vector<double> one_hot(classes);
  one_hot[static_cast<std::size_t>(in.numbers[static_cast<std::size_t>(r)])] = 1;
  return exact(model, in, r, one_hot);
}

/// As many floats as there are classes.
struct observation {
  float position[2], speed, angle;
};
using observing_mlp =
    fewstep::mlp_generator<cpu_backend, fewstep::edm_consistency, fewstep::observation_conditioning<observation>>;
static_assert(fewstep::generator<observing_mlp, cpu_backend>);
static_assert(std::is_same_v<observing_mlp::context_type, observation>);

observing_mlp make_observing(cpu_backend& backend) {
  return {backend, {.network = {.dimension = dimension, .hidden = {17, 9}}, .seed = 2}};
}

}  // namespace

TEST_CASE("mlp_generator is the perceptron of its parameters") {
  cpu_backend backend({.threads = 1});
  mlp model = make(backend);
  const class_rows in(40);
  std::vector<float> o(in.x.size());
  auto workspace = model.make_workspace(backend, 40);
  model.predict(backend, in.rows(), {o.data(), {in.count, dimension}}, workspace);
  for (index_t r = 0; r < in.count; ++r) {
    const std::vector<float> row(&o[static_cast<std::size_t>(r * dimension)],
                                 &o[static_cast<std::size_t>(r * dimension)] + dimension);
    CAPTURE(r);
    CHECK(fewstep::test::largest_difference(row, exact(model, in, r)) < 1e-5);
  }
}

TEST_CASE("mlp_generator gives a row the same bits in every batch, alone, and going forward") {
  const int threads = GENERATE(1, 2);
  cpu_backend backend({.threads = threads});
  mlp model = make(backend);
  const class_rows in(100);
  auto workspace = model.make_workspace(backend, 100);
  std::vector<float> whole(in.x.size()), forward(in.x.size()), parts(in.x.size());
  model.predict(backend, in.rows(), {whole.data(), {100, dimension}}, workspace);
  model.forward(backend, in.rows(), {forward.data(), {100, dimension}}, workspace);
  CHECK(same_bits(whole, forward));
  for (const index_t part : {1, 7, 33}) {
    for (index_t first = 0; first < 100; first += part) {
      const index_t count = std::min(part, 100 - first);
      model.predict(backend, in.rows().subview(first, count),
                    {&parts[static_cast<std::size_t>(first * dimension)], {count, dimension}}, workspace);
    }
    CHECK(same_bits(whole, parts));
  }
}

TEST_CASE("mlp_generator: gradients are those of central differences, and do not depend on the cuts") {
  cpu_backend backend({.threads = GENERATE(1, 2)});
  mlp model = make(backend);
  const class_rows in(100);
  const auto probe = fewstep::test::normals<float>(100 * dimension, 5);
  auto workspace = model.make_workspace(backend, 100);
  std::vector<float> o(in.x.size());
  const auto gradient_in_parts = [&](index_t part) {
    std::fill(model.gradients().begin(), model.gradients().end(), 0.0f);
    for (index_t first = 0; first < 100; first += part) {
      const index_t count = std::min(part, 100 - first);
      const matrix<float> to{o.data(), {count, dimension}};
      model.forward(backend, in.rows().subview(first, count), to, workspace);
      model.backward(backend, in.rows().subview(first, count),
                     {&probe[static_cast<std::size_t>(first * dimension)], {count, dimension}}, workspace);
    }
    return std::vector<float>(model.gradients().begin(), model.gradients().end());
  };
  const auto gradient = gradient_in_parts(100);
  CHECK(same_bits(gradient_in_parts(32), gradient));
  CHECK(same_bits(gradient_in_parts(64), gradient));

  const auto objective = [&] {
    double sum = 0;
    for (index_t r = 0; r < 100; ++r) {
      const auto y = exact(model, in, r);
      for (std::size_t d = 0; d < y.size(); ++d)
        sum += y[d] * static_cast<double>(probe[static_cast<std::size_t>(r * dimension) + d]);
    }
    return sum;
  };
  for (index_t i = 0; i < model.parameters().size(); i += 11) {
    float& p = model.parameters()[i];
    const float centre = p;
    p = centre + 0x1p-10f;
    const double above = objective();
    p = centre - 0x1p-10f;
    const double below = objective();
    p = centre;
    CAPTURE(i);
    CHECK(static_cast<double>(gradient[static_cast<std::size_t>(i)]) ==
          Approx((above - below) / 0x1p-9).epsilon(1e-3).margin(1e-3));
  }
}

TEST_CASE("mlp_generator refuses more rows than its workspace was made for") {
  cpu_backend backend({.threads = 1});
  mlp model = make(backend);
  const class_rows in(33);
  std::vector<float> o(in.x.size());
  auto workspace = model.make_workspace(backend, 32);
  CHECK_THROWS_WITH(model.forward(backend, in.rows(), {o.data(), {33, dimension}}, workspace),
                    contains("forward got 33 rows but the workspace was made for 32"));
}

TEST_CASE("mlp_generator refuses a class that it does not have") {
  cpu_backend backend({.threads = 1});
  mlp model(backend, {.network = {.dimension = 2, .classes = 3}});
  const std::vector<float> x(4), times = {1, 1};
  const std::vector<std::int32_t> numbers = {0, GENERATE(3, -2)};
  const fewstep::batch<std::int32_t> rows{{x.data(), {2, 2}}, {times.data(), {2}}, {numbers.data(), {2}}};
  std::vector<float> o(4);
  auto workspace = model.make_workspace(backend, 32);
  CHECK_THROWS_WITH(model.predict(backend, rows, {o.data(), {2, 2}}, workspace), contains("row 1 has the class"));
  CHECK_THROWS_WITH(model.forward(backend, rows, {o.data(), {2, 2}}, workspace), contains("row 1 has the class"));
}

TEST_CASE("mlp_generator sees an observation's numbers as they are, in their order") {
  cpu_backend backend({.threads = 1});
  observing_mlp model = make_observing(backend);
  const class_rows in(40);
  const auto values = fewstep::test::normals<float>(4 * in.count, 3);
  std::vector<observation> observed;
  for (std::size_t i = 0; i < values.size(); i += 4)
    observed.push_back({{values[i], values[i + 1]}, values[i + 2], values[i + 3]});
  std::vector<float> o(in.x.size());
  auto workspace = model.make_workspace(backend, 40);
  model.predict(backend, {in.rows().x, in.rows().times, {observed.data(), {in.count}}},
                {o.data(), {in.count, dimension}}, workspace);
  for (index_t r = 0; r < in.count; ++r) {
    const std::vector<float> row(o.begin() + r * dimension, o.begin() + (r + 1) * dimension);
    const std::vector<double> seen(values.begin() + 4 * r, values.begin() + 4 * (r + 1));
    CAPTURE(r);
    CHECK(fewstep::test::largest_difference(row, exact(model, in, r, seen)) < 1e-5);
  }
}

TEST_CASE("mlp_generator: an observation that is a class one-hot has the outputs and gradients of the class") {
  cpu_backend backend({.threads = GENERATE(1, 2)});
  mlp by_class = make(backend);
  observing_mlp by_observation = make_observing(backend);
  const class_rows in(100);
  std::vector<observation> observed(100);
  for (std::size_t r = 0; r < observed.size(); ++r) {
    observation& o = observed[r];
    (in.numbers[r] == 0   ? o.position[0]
     : in.numbers[r] == 1 ? o.position[1]
     : in.numbers[r] == 2 ? o.speed
                          : o.angle) = 1;
  }
  const auto probe = fewstep::test::normals<float>(100 * dimension, 5);
  const auto output_and_gradient = [&](auto& model, auto contexts) {
    const fewstep::batch<std::remove_cvref_t<decltype(contexts[0])>> rows{in.rows().x, in.rows().times, contexts};
    std::vector<float> o(in.x.size());
    auto workspace = model.make_workspace(backend, 100);
    model.forward(backend, rows, {o.data(), {100, dimension}}, workspace);
    model.backward(backend, rows, {probe.data(), {100, dimension}}, workspace);
    o.insert(o.end(), model.gradients().begin(), model.gradients().end());
    return o;
  };
  CHECK(same_bits(output_and_gradient(by_observation, fewstep::vec<const observation>{observed.data(), {100}}),
                  output_and_gradient(by_class, in.rows().contexts)));
}

TEST_CASE("mlp_generator refuses classes where it is conditioned on an observation") {
  cpu_backend backend({.threads = 1});
  CHECK_THROWS_WITH((observing_mlp{backend, {.network = {.classes = 3}}}),
                    contains("classes is 3, but it is conditioned on an observation"));
}

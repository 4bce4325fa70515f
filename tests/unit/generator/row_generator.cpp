// SPDX-License-Identifier: Apache-2.0
#include "test.hpp"

#include <fewstep/generator/guided.hpp>
#include <fewstep/generator/row_generator.hpp>
#include <fewstep/testing/check_generator.hpp>

#include <cmath>
#include <cstdint>
#include <vector>

using namespace fewstep;

namespace {

/// o = tanh(w x + u ln t + b of the class), parameters [w, u, b0, b1].
struct bent {
  using context_type = std::int32_t;

  [[nodiscard]] index_t sample_size() const { return 3; }
  [[nodiscard]] std::int32_t unconditional() const { return 0; }
  void forward(vec<const float> w, const network_row<std::int32_t>& in, vec<float> o) const {
    for (index_t d = 0; d < 3; ++d) o[d] = std::tanh(w[0] * in.x[d] + w[1] * std::log(in.time) + w[2 + in.context]);
  }
  void backward(vec<const float> w, const network_row<std::int32_t>& in, vec<const float> g, vec<float> w_g) const {
    float o[3];
    forward(w, in, {o, {3}});
    add(in, g, w_g, o);
  }

 protected:
  static void add(const network_row<std::int32_t>& in, vec<const float> g, vec<float> w_g, const float* o) {
    for (index_t d = 0; d < 3; ++d) {
      const float slope = g[d] * (1 - o[d] * o[d]);
      w_g[0] += slope * in.x[d];
      w_g[1] += slope * std::log(in.time);
      w_g[2 + in.context] += slope;
    }
  }
};

/// The same, which keeps its outputs.
struct bent_with_tape : bent {
  struct tape {
    float o[3];
  };
  void forward(vec<const float> w, const network_row<std::int32_t>& in, vec<float> o, tape& kept) const {
    bent::forward(w, in, {kept.o, {3}});
    for (index_t d = 0; d < 3; ++d) o[d] = kept.o[d];
  }
  void backward(vec<const float>, const network_row<std::int32_t>& in, vec<const float> g, vec<float> w_g,
                const tape& kept) const {
    add(in, g, w_g, kept.o);
  }
};

struct forgets_the_class : bent {
  void backward(vec<const float> w, const network_row<std::int32_t>& in, vec<const float> g, vec<float> w_g) const {
    const float before = w_g[2 + in.context];
    bent::backward(w, in, g, w_g);
    w_g[2 + in.context] = before;
  }
};

static_assert(generator<row_generator<bent>, cpu_backend>);
static_assert(generator<row_generator<bent_with_tape>, cpu_backend>);
static_assert(guidable<row_generator<bent>>, "what the network has, the generator has");

const std::vector<std::int32_t> classes{0, 1};
const std::vector<float> start{0.7f, -0.1f, 0.3f, -0.2f};

struct rows_in_memory {
  std::vector<float> x, times, o, o_gradient;
  std::vector<std::int32_t> contexts;

  explicit rows_in_memory(index_t n) {
    const random_stream random{3, stream::data};
    for (std::uint64_t r = 0; r < static_cast<std::uint64_t>(n); ++r) {
      times.push_back(0.1f + random.uniform(r));
      contexts.push_back(static_cast<std::int32_t>(r % 2));
      for (std::uint64_t d = 0; d < 3; ++d)
        x.push_back(random.normal(r, 1, d)), o_gradient.push_back(random.normal(r, 2, d));
    }
    o.resize(x.size());
  }
  [[nodiscard]] index_t count() const { return static_cast<index_t>(times.size()); }
  [[nodiscard]] batch<std::int32_t> rows() const {
    return {{x.data(), {count(), 3}}, {times.data(), {count()}}, vec<const std::int32_t>{contexts.data(), {count()}}};
  }
};

template <class Network>
std::vector<float> gradient(int threads, rows_in_memory& in) {
  cpu_backend backend({.threads = threads});
  row_generator model(Network{}, start, edm_consistency{.sigma_data = 0.7f});
  auto workspace = model.make_workspace(backend, in.count());
  model.forward(backend, in.rows(), {in.o.data(), {in.count(), 3}}, workspace);
  model.backward(backend, in.rows(), {in.o_gradient.data(), {in.count(), 3}}, workspace);
  return {model.gradients().begin(), model.gradients().end()};
}

}  // namespace

TEST_CASE("row_generator keeps the promises of a generator, with a tape or without") {
  cpu_backend backend({.threads = GENERATE(1, 3)});
  row_generator plain(bent{}, start);
  CHECK_NOTHROW(check_generator(backend, plain, classes));
  row_generator keeping(bent_with_tape{}, start);
  CHECK_NOTHROW(check_generator(backend, keeping, classes));
  guided twice(backend, keeping, {.scale = 2});
  CHECK_NOTHROW(check_generator(backend, twice, classes));
}

TEST_CASE("row_generator: check_generator finds a wrong derivative of the row") {
  cpu_backend backend({.threads = 1});
  row_generator model(forgets_the_class{}, start);
  CHECK_THROWS_WITH(check_generator(backend, model, classes), contains("backward is not the derivative of predict"));
}

TEST_CASE("row_generator hands a network the scaled state, the time and the context") {
  rows_in_memory in(70);
  cpu_backend backend({.threads = 2});
  row_generator model(bent{}, start, edm_consistency{.sigma_data = 0.7f});
  auto workspace = model.make_workspace(backend, 0);  // predict takes any number of rows
  model.predict(backend, in.rows(), {in.o.data(), {in.count(), 3}}, workspace);
  for (std::size_t r = 0; r < 70; ++r)
    for (std::size_t d = 0; d < 3; ++d) {
      const double t = in.times[r], factor = 1 / std::sqrt(t * t + 0.49);  // c_in of Karras et al. 2022, table 1
      CHECK(in.o[3 * r + d] ==
            Approx(std::tanh(0.7 * factor * in.x[3 * r + d] - 0.1 * std::log(t) + (r % 2 == 0 ? 0.3 : -0.2)))
                .margin(1e-5));
    }
}

TEST_CASE(
    "row_generator: gradients have the same bits whatever the threads, and a tape changes their rounding at most") {
  rows_in_memory in(150);
  const std::vector<float> one = gradient<bent>(1, in);
  CHECK(one == gradient<bent>(3, in));
  const std::vector<float> kept = gradient<bent_with_tape>(1, in);
  CHECK(kept == gradient<bent_with_tape>(3, in));
  for (std::size_t i = 0; i < one.size(); ++i) CHECK(kept[i] == Approx(one[i]).epsilon(1e-4));
}

TEST_CASE("row_generator refuses no parameters, and more rows than its workspace was made for") {
  CHECK_THROWS_WITH((row_generator(bent{}, {})), contains("row_generator: there are no parameters"));
  rows_in_memory in(9);
  cpu_backend backend({.threads = 1});
  row_generator model(bent{}, start);
  auto workspace = model.make_workspace(backend, 8);
  CHECK_THROWS_WITH(model.forward(backend, in.rows(), {in.o.data(), {9, 3}}, workspace),
                    contains("row_generator: forward got 9 rows but the workspace was made for 8"));
}

// SPDX-License-Identifier: Apache-2.0
#include "support/gaussian_consistency.hpp"
#include "support/tiny_text_unet.hpp"
#include "test.hpp"

#include <fewstep/backend/cpu/backend.hpp>
#include <fewstep/generator/mlp_generator.hpp>
#include <fewstep/testing/check_generator.hpp>

#include <cmath>
#include <cstdint>
#include <vector>

namespace smallest {

//! [smallest]
using namespace fewstep;

// o = w in(t) x + b, the same w and b for both values of a sample.
struct line {
  using context_type = std::int32_t;  // not looked at: there is no condition

  float parameter[2] = {0.5f, 0.1f}, gradient[2] = {};

  index_t sample_size() const { return 2; }
  edm_consistency preconditioner() const { return {}; }
  vec<float> parameters() { return {parameter, {2}}; }
  vec<float> gradients() { return {gradient, {2}}; }

  void predict(cpu_backend&, batch<std::int32_t> rows, matrix<float> o) const {
    for (index_t r = 0; r < rows.rows(); ++r)
      for (index_t d = 0; d < 2; ++d) o(r, d) = parameter[0] * input(rows, r, d) + parameter[1];
  }
  void backward(cpu_backend&, batch<std::int32_t> rows, matrix<const float> o_gradient) {
    for (index_t r = 0; r < rows.rows(); ++r)
      for (index_t d = 0; d < 2; ++d) {
        gradient[0] += o_gradient(r, d) * input(rows, r, d);
        gradient[1] += o_gradient(r, d);
      }
  }

  float input(const batch<std::int32_t>& rows, index_t r, index_t d) const {
    return preconditioner()(rows.times[r]).in * rows.x(r, d);
  }
};
//! [smallest]

}  // namespace smallest

namespace {

using fewstep::batch;
using fewstep::check_generator;
using fewstep::cpu_backend;
using fewstep::index_t;
using fewstep::matrix;
using fewstep::vec;
using smallest::line;

using rows_type = batch<std::int32_t>;
const std::vector<std::int32_t> contexts{0, 1};

// Each hides members of `line` and breaks one promise.

struct without_gradient_of_b : line {
  vec<float> gradients() { return {gradient, {1}}; }
};

struct leaves_a_value : line {
  void predict(cpu_backend& backend, rows_type rows, matrix<float> o) const {
    const float before = o(rows.rows() - 1, 1);
    line::predict(backend, rows, o);
    o(rows.rows() - 1, 1) = before;
  }
};

struct counts_calls : line {
  int calls = 0;
  void predict(cpu_backend& backend, rows_type rows, matrix<float> o) {
    line::predict(backend, rows, o);
    o(0, 0) += static_cast<float>(++calls);
  }
};

struct looks_at_its_neighbour : line {
  void predict(cpu_backend& backend, rows_type rows, matrix<float> o) const {
    line::predict(backend, rows, o);
    for (index_t r = 1; r < rows.rows(); ++r) o(r, 0) += 1e-6f * o(r - 1, 0);
  }
};

/// As a kernel for many rows that rounds otherwise than the one for few.
struct rounds_by_the_number_of_rows : line {
  void predict(cpu_backend& backend, rows_type rows, matrix<float> o) const {
    line::predict(backend, rows, o);
    for (index_t r = 0; r < rows.rows() / 8 * 8; ++r) o(r, 0) = std::nextafter(o(r, 0), 1e30f);
  }
};

struct learns_by_itself : line {
  void backward(cpu_backend& backend, rows_type rows, matrix<const float> o_gradient) {
    line::backward(backend, rows, o_gradient);
    parameter[0] -= 1e-6f * gradient[0];
  }
};

struct moves_its_gradients : line {
  std::vector<std::vector<float>> gradients_of_calls{std::vector<float>(2)};
  vec<float> gradients() { return {gradients_of_calls.back().data(), {2}}; }
  void backward(cpu_backend& backend, rows_type rows, matrix<const float> o_gradient) {
    gradient[0] = gradient[1] = 0;
    line::backward(backend, rows, o_gradient);
    gradients_of_calls.push_back({gradient[0], gradient[1]});
  }
};

struct adds_up_in_chance_order : line {
  int calls = 0;
  void backward(cpu_backend& backend, rows_type rows, matrix<const float> o_gradient) {
    line::backward(backend, rows, o_gradient);
    if (++calls % 2 == 0) gradient[0] = std::nextafter(gradient[0], 1e30f);
  }
};

struct overwrites : line {
  void backward(cpu_backend& backend, rows_type rows, matrix<const float> o_gradient) {
    gradient[0] = gradient[1] = 0;
    line::backward(backend, rows, o_gradient);
  }
};

struct adds_up_the_call : line {
  void backward(cpu_backend& backend, rows_type rows, matrix<const float> o_gradient) {
    const float before[2] = {gradient[0], gradient[1]};
    gradient[0] = gradient[1] = 0;
    line::backward(backend, rows, o_gradient);
    for (int i = 0; i < 2; ++i) gradient[i] += before[i];
  }
};

/// o = tanh(w in(t) x + b), and what is kept of it, or where, is wrong.
struct curved : line {
  struct workspace_type {
    std::vector<float> o;
  };
  workspace_type make_workspace(cpu_backend&, index_t rows) const {
    return {std::vector<float>(static_cast<std::size_t>(2 * rows))};
  }
  std::size_t workspace_bytes(const cpu_backend&, index_t rows) const {
    return 2 * sizeof(float) * static_cast<std::size_t>(rows);
  }
  void predict(cpu_backend&, rows_type rows, matrix<float> o, workspace_type&) const {
    for (index_t r = 0; r < rows.rows(); ++r)
      for (index_t d = 0; d < 2; ++d) o(r, d) = std::tanh(parameter[0] * input(rows, r, d) + parameter[1]);
  }
  void forward(cpu_backend& backend, rows_type rows, matrix<float> o, workspace_type& workspace) const {
    predict(backend, rows, o, workspace);
    std::copy(o.begin(), o.end(), workspace.o.begin());
  }
  void backward(cpu_backend&, rows_type rows, matrix<const float> o_gradient, workspace_type& workspace) {
    add(rows, o_gradient, workspace.o.data());
  }
  void add(const rows_type& rows, matrix<const float> o_gradient, const float* o) {
    for (index_t r = 0; r < rows.rows(); ++r)
      for (index_t d = 0; d < 2; ++d) {
        const float g = o_gradient(r, d) * (1 - o[2 * r + d] * o[2 * r + d]);
        gradient[0] += g * input(rows, r, d);
        gradient[1] += g;
      }
  }
};

struct falling_bytes : curved {
  std::size_t workspace_bytes(const cpu_backend&, index_t rows) const { return static_cast<std::size_t>(1000 - rows); }
};

struct forward_rounds_otherwise : curved {
  void forward(cpu_backend& backend, rows_type rows, matrix<float> o, workspace_type& workspace) const {
    curved::forward(backend, rows, o, workspace);
    o(rows.rows() - 1, 1) = std::nextafter(o(rows.rows() - 1, 1), 1e30f);
  }
};

struct points_at_o : curved {
  const float* o_of_forward = nullptr;
  void forward(cpu_backend& backend, rows_type rows, matrix<float> o, workspace_type& workspace) {
    predict(backend, rows, o, workspace);
    o_of_forward = o.data;
  }
  void backward(cpu_backend&, rows_type rows, matrix<const float> o_gradient, workspace_type&) {
    add(rows, o_gradient, o_of_forward);
  }
};

struct keeps_in_the_model : curved {
  std::vector<float> kept;
  void forward(cpu_backend& backend, rows_type rows, matrix<float> o, workspace_type& workspace) {
    predict(backend, rows, o, workspace);
    kept.assign(o.begin(), o.end());
  }
  void backward(cpu_backend&, rows_type rows, matrix<const float> o_gradient, workspace_type&) {
    add(rows, o_gradient, kept.data());
  }
};

/// Goes over all rows that the workspace was made for.
struct reads_stale_rows : curved {
  void backward(cpu_backend& backend, rows_type rows, matrix<const float> o_gradient, workspace_type& workspace) {
    curved::backward(backend, rows, o_gradient, workspace);
    for (std::size_t i = static_cast<std::size_t>(2 * rows.rows()); i < workspace.o.size(); ++i)
      gradient[1] += workspace.o[i];
  }
};

struct forgets_the_tanh : curved {
  void backward(cpu_backend& backend, rows_type rows, matrix<const float> o_gradient, workspace_type&) {
    line::backward(backend, rows, o_gradient);
  }
};

struct forgets_b : line {
  void backward(cpu_backend& backend, rows_type rows, matrix<const float> o_gradient) {
    line::backward(backend, rows, o_gradient);
    gradient[1] = 0;
  }
};

struct off_by_a_tenth : line {
  void backward(cpu_backend&, rows_type rows, matrix<const float> o_gradient) {
    for (index_t i = 0; i < rows.x.size(); ++i) {
      gradient[0] += 1.1f * o_gradient.data[i] * input(rows, i / 2, i % 2);
      gradient[1] += o_gradient.data[i];
    }
  }
};

struct predicts_with_a_copy : line {
  line copy{};
  void predict(cpu_backend& backend, rows_type rows, matrix<float> o) const { copy.predict(backend, rows, o); }
};

template <class Generator>
void check(Generator model = {}) {
  cpu_backend backend({.threads = 1});
  check_generator(backend, model, contexts);
}

}  // namespace

TEST_CASE("check_generator accepts generators that keep their promises") {
  cpu_backend backend({.threads = GENERATE(1, 2)});
  for (std::uint64_t seed = 0; seed < 5; ++seed) {
    CAPTURE(backend.threads(), seed);
    line straight;
    CHECK_NOTHROW(check_generator(backend, straight, contexts, {.seed = seed}));
    curved bent;
    CHECK_NOTHROW(check_generator(backend, bent, contexts, {.seed = seed}));
    fewstep::test::gaussian_consistency gaussian;
    CHECK_NOTHROW(check_generator(backend, gaussian, contexts, {.seed = seed}));
    fewstep::mlp_generator<cpu_backend> perceptron(backend, {.network = {.classes = 2}, .seed = seed});
    CHECK_NOTHROW(check_generator(backend, perceptron, contexts, {.seed = seed}));
  }
}

TEST_CASE("check_generator accepts a U-Net") {
  cpu_backend backend({.threads = 2});
  auto model = fewstep::test::make_tiny_text_unet(backend);
  const std::vector<fewstep::token_list> prompts{{{1, 2}}, {{3}}, {}};
  CHECK_NOTHROW(check_generator(backend, model, prompts));
}

TEST_CASE("check_generator leaves parameters as they were and gradients zero") {
  cpu_backend backend({.threads = 1});
  line model;
  model.gradient[0] = 3;
  check_generator(backend, model, contexts);
  CHECK(model.parameter[0] == 0.5f);
  CHECK(model.parameter[1] == 0.1f);
  CHECK(model.gradient[0] == 0);
  CHECK(model.gradient[1] == 0);
}

TEST_CASE("check_generator names the promise that is broken") {
  CHECK_THROWS_WITH(check<without_gradient_of_b>(), contains("parameters() has 2 values and gradients() 1"));
  CHECK_THROWS_WITH(check<falling_bytes>(), contains("workspace_bytes falls"));
  CHECK_THROWS_WITH(check<leaves_a_value>(), contains("predict left value 161 of o[81, 2] unset"));
  CHECK_THROWS_WITH(check<counts_calls>(), contains("predict gave other bits the second time"));
  CHECK_THROWS_WITH(check<looks_at_its_neighbour>(), contains("predict gave a row other bits in a batch of 1"));
  CHECK_THROWS_WITH(check<rounds_by_the_number_of_rows>(), contains("predict gave a row other bits in a batch of 1"));
  CHECK_THROWS_WITH(check<forward_rounds_otherwise>(), contains("forward gave other bits than predict"));
  CHECK_THROWS_WITH(check<learns_by_itself>(), contains("forward or backward changed parameters()"));
  CHECK_THROWS_WITH(check<moves_its_gradients>(), contains("gradients() moved in memory"));
  CHECK_THROWS_WITH(check<adds_up_in_chance_order>(), contains("backward gave other bits the second time"));
  CHECK_THROWS_WITH(check<points_at_o>(), contains("where o_gradient lies in the memory of o"));
  CHECK_THROWS_WITH(check<overwrites>(), contains("gradients of calls with 32 rows do not add up"));
  CHECK_THROWS_WITH(check<adds_up_the_call>(), contains("gradients of calls with 32 rows do not add up"));
  CHECK_THROWS_WITH(check<reads_stale_rows>(), contains("do not add up"));
  CHECK_THROWS_WITH(check<keeps_in_the_model>(), contains("another workspace"));
  CHECK_THROWS_WITH(check<forgets_the_tanh>(), contains("backward is not the derivative of predict"));
  CHECK_THROWS_WITH(check<forgets_b>(), contains("along parameters 1 to 1 it says 0"));
  CHECK_THROWS_WITH(check<off_by_a_tenth>(), contains("along parameters 0 to 0"));
  CHECK_THROWS_WITH(check<predicts_with_a_copy>(), contains("a copy of parameters() made earlier?"));
}

TEST_CASE("check_generator asks for contexts") {
  cpu_backend backend({.threads = 1});
  line model;
  CHECK_THROWS_WITH(check_generator(backend, model, std::vector<std::int32_t>{}), contains("there are no contexts"));
}

// SPDX-License-Identifier: Apache-2.0
// Gradients by the state of the library's generators: check_generator compares them with central differences, and is
// told a wrong one here.
#include "support/gaussian_consistency.hpp"
#include "support/tiny_text_unet.hpp"
#include "test.hpp"

#include <fewstep/generator/mlp_generator.hpp>
#include <fewstep/generator/rescaled.hpp>
#include <fewstep/testing/check_generator.hpp>

#include <vector>

using namespace fewstep;
using namespace fewstep::test;

namespace {

enum class fault { none, input_factor, of_batch, unset, parameters };

/// The Gaussian toy with a gradient by the state, right or wrong.
struct toy : gaussian_consistency {
  fault wrong = fault::none;
  using gaussian_consistency::backward;
  void backward(cpu_backend& backend, batch<std::int32_t> rows, matrix<const float> o_gradient,
                matrix<float> x_gradient, workspace_type& workspace) {
    for (index_t r = 0; r < rows.rows(); ++r) {
      auto s = static_cast<float>(shrinking(static_cast<double>(rows.times[r])));
      if (wrong == fault::input_factor) s *= 1.1f;
      if (wrong == fault::of_batch) s *= 1 + 1e-6f * static_cast<float>(rows.rows());
      for (index_t d = 0; d < dimension && wrong != fault::unset; ++d) x_gradient(r, d) = s * o_gradient(r, d);
    }
    backward(backend, rows, o_gradient, workspace);
    if (wrong == fault::parameters) gradient += 1;
  }
};

const std::vector<std::int32_t> classes = {0, 1, 2};

}  // namespace

TEST_CASE("an mlp_generator's gradient by the state is that of central differences") {
  cpu_backend backend({.threads = 2});
  mlp_generator<cpu_backend> model(backend, {.network = {.dimension = 3, .classes = 3}, .seed = 3});
  CHECK_NOTHROW(check_generator(backend, model, classes, {.tolerance = 2e-3}));
  mlp_generator<cpu_backend, variance_preserving<edm_denoiser>> scaled(
      backend, {.network = {.dimension = 2, .classes = 3}, .seed = 4});
  CHECK_NOTHROW(check_generator(backend, scaled, classes, {.tolerance = 2e-3}));
}

TEST_CASE("a text_unet's gradient by the state is that of central differences, with and without adapters") {
  cpu_backend backend({.threads = 2});
  const std::vector<token_list> texts = {{{1, 2}}, {{3}}};
  auto model = make_tiny_text_unet(backend);
  CHECK_NOTHROW(check_generator(backend, model, texts, {.tolerance = 5e-3}));
  auto adapted = make_tiny_text_unet(backend, lora_options{.rank = 3, .alpha = 5});
  CHECK_NOTHROW(check_generator(backend, adapted, texts, {.tolerance = 5e-3}));
}

TEST_CASE("check_generator names a gradient by the state that is wrong") {
  cpu_backend backend({.threads = 1});
  const auto refused = [&](fault wrong, const char* sentence) {
    toy model;
    model.wrong = wrong;
    CHECK_THROWS_WITH(check_generator(backend, model, classes), contains(sentence));
  };
  toy model;
  CHECK_NOTHROW(check_generator(backend, model, classes));
  refused(fault::input_factor, "central differences say");
  refused(fault::of_batch, "use nothing but the row");
  refused(fault::unset, "x_gradient");
  refused(fault::parameters, "other bits when it was also asked");
}

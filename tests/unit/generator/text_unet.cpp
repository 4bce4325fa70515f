// SPDX-License-Identifier: Apache-2.0
#include "support/arrays.hpp"
#include "support/network_fixture.hpp"
#include "support/tiny_text_unet.hpp"
#include "test.hpp"

#include <fewstep/backend/cpu/backend.hpp>
#include <fewstep/generator/text_unet.hpp>

#include <algorithm>
#include <cmath>
#include <vector>

using fewstep::cpu_backend;
using fewstep::index_t;
using fewstep::lora_options;
using fewstep::matrix;
using fewstep::test::make_tiny_text_unet;
using fewstep::test::normals;
using fewstep::test::relative_error;
using fewstep::test::same_bits;
using fewstep::test::text_rows;
using fewstep::test::tiny_text_unet;

static_assert(fewstep::generator<tiny_text_unet, cpu_backend>);

namespace {

constexpr index_t size = 8 * 8 * 3;

std::vector<float> predict(cpu_backend& backend, tiny_text_unet& g, const fewstep::batch<fewstep::token_list>& rows) {
  std::vector<float> o(static_cast<std::size_t>(rows.rows() * size), 99.0f);
  auto workspace = g.make_workspace(backend, rows.rows());
  g.predict(backend, rows, {o.data(), {rows.rows(), size}}, workspace);
  return o;
}

/// Gradients of sum(o * probe), the rows given to forward and backward in calls of `cut` rows.
std::vector<float> gradient(cpu_backend& backend, tiny_text_unet& g, const text_rows& all, index_t cut) {
  const auto gradients = g.gradients();
  std::fill(gradients.begin(), gradients.end(), 0.0f);
  auto workspace = g.make_workspace(backend, std::min(cut, all.count));
  std::vector<float> o(static_cast<std::size_t>(cut * size));
  for (index_t first = 0; first < all.count; first += cut) {
    const index_t count = std::min(cut, all.count - first);
    const auto rows = all.rows().subview(first, count);
    g.forward(backend, rows, {o.data(), {count, size}}, workspace);
    g.backward(backend, rows, all.gradient().subview(first, count), workspace);
  }
  return {gradients.begin(), gradients.end()};
}

}  // namespace

TEST_CASE("text_unet: forward gives the bits of predict") {
  cpu_backend backend({.threads = 2});
  auto g = make_tiny_text_unet(backend);
  const text_rows all(7, size, 1);
  const auto predicted = predict(backend, g, all.rows());
  std::vector<float> o(predicted.size());
  auto workspace = g.make_workspace(backend, 7);
  g.forward(backend, all.rows(), {o.data(), {7, size}}, workspace);
  CHECK(same_bits(o, predicted));
  CHECK(std::all_of(o.begin(), o.end(), [](float v) { return std::isfinite(v); }));
  CHECK(std::any_of(o.begin(), o.end(), [](float v) { return v != 0; }));
}

TEST_CASE("text_unet: a row has the same bits in every batch, at every position, for any number of threads") {
  const text_rows all(11, size, 2);
  cpu_backend one({.threads = 1});
  auto g = make_tiny_text_unet(one);
  std::vector<float> alone;
  for (index_t r = 0; r < all.count; ++r) {
    const auto o = predict(one, g, all.rows().subview(r, 1));
    alone.insert(alone.end(), o.begin(), o.end());
  }
  for (const int threads : {1, 2, 3}) {
    cpu_backend backend({.threads = threads});
    auto other = make_tiny_text_unet(backend);
    for (index_t first = 0; first < all.count; first += 2)
      for (index_t count = 1; first + count <= all.count; count += 3) {
        const auto o = predict(backend, other, all.rows().subview(first, count));
        CAPTURE(threads, first, count);
        CHECK(same_bits(o.data(), alone.data() + first * size, count * size));
      }
  }
}

TEST_CASE("text_unet: gradients have the same bits however the rows are cut into calls, and for any threads") {
  for (const bool adapted : {false, true})
    for (const index_t count : {3, 19, 37}) {
      const text_rows all(count, size, 3);
      const auto lora = adapted ? std::optional(lora_options{.rank = 3, .alpha = 5}) : std::nullopt;
      cpu_backend one({.threads = 1});
      auto g = make_tiny_text_unet(one, lora);
      CHECK(g.row_block() == 8);
      const auto expected = gradient(one, g, all, 8);
      CHECK(std::any_of(expected.begin(), expected.end(), [](float v) { return v != 0; }));
      for (const int threads : {1, 2, 3}) {
        cpu_backend backend({.threads = threads});
        auto other = make_tiny_text_unet(backend, lora);
        for (const index_t cut : {8, 16, 24, 40}) {
          CAPTURE(adapted, count, threads, cut);
          CHECK(same_bits(gradient(backend, other, all, cut), expected));
        }
      }
    }
}

TEST_CASE("text_unet: gradients add to what is there") {
  cpu_backend backend({.threads = 2});
  auto g = make_tiny_text_unet(backend);
  const text_rows all(3, size, 4);
  const auto once = gradient(backend, g, all, 8);
  auto workspace = g.make_workspace(backend, 3);
  std::vector<float> o(static_cast<std::size_t>(3 * size));
  g.forward(backend, all.rows(), {o.data(), {3, size}}, workspace);
  g.backward(backend, all.rows(), all.gradient(), workspace);
  double worst = 0;
  for (std::size_t i = 0; i < once.size(); ++i)
    worst = std::max(worst, std::abs(static_cast<double>(g.gradients()[static_cast<index_t>(i)]) -
                                     2.0 * static_cast<double>(once[i])));
  CHECK(worst == 0);
}

TEST_CASE("text_unet: two evaluations may be in flight in two workspaces") {
  cpu_backend backend({.threads = 2});
  auto g = make_tiny_text_unet(backend);
  const text_rows first(5, size, 5), second(4, size, 6);
  const auto expected = gradient(backend, g, first, 8);
  std::fill(g.gradients().begin(), g.gradients().end(), 0.0f);
  auto one = g.make_workspace(backend, 5), two = g.make_workspace(backend, 4);
  std::vector<float> o(static_cast<std::size_t>(5 * size)), other(static_cast<std::size_t>(4 * size));
  g.forward(backend, first.rows(), {o.data(), {5, size}}, one);
  g.forward(backend, second.rows(), {other.data(), {4, size}}, two);
  (void)predict(backend, g, second.rows());
  g.backward(backend, first.rows(), first.gradient(), one);
  CHECK(same_bits(std::vector<float>(g.gradients().begin(), g.gradients().end()), expected));
}

TEST_CASE("text_unet is its network in double with the input scaled, in values and gradients") {
  for (const bool adapted : {false, true}) {
    CAPTURE(adapted);
    cpu_backend backend({.threads = 2});
    const auto lora = adapted ? std::optional(lora_options{.rank = 3, .alpha = 5}) : std::nullopt;
    auto g = make_tiny_text_unet(backend, lora);
    const index_t count = 10;
    const text_rows all(count, size, 7);
    fewstep::test::network_fixture<double> fixture;
    fewstep::text_unet_network<double> network(fixture.layout, g.network_options());
    if (adapted) network.adapt(fixture.adapter_layout, *lora);
    REQUIRE(fixture.layout.size() == g.base_layout().size());
    fixture.parameters.assign(g.base_parameters().begin(), g.base_parameters().end());
    if (adapted) fixture.adapters.assign(g.parameters().begin(), g.parameters().end());
    std::vector<double> x;
    for (std::size_t i = 0; i < all.x.size(); ++i) {
      const auto t = static_cast<double>(all.times[i / static_cast<std::size_t>(size)]);
      x.push_back(static_cast<double>(all.x[i]) / std::sqrt(t * t + 0.25));
    }
    fewstep::text_unet_network<double>::tape tape;
    const auto rows = all.rows();
    const auto expected = fixture.evaluate(
        {all.probe.begin(), all.probe.end()},
        [&](auto& p) {
          return network.forward(p, {x.data(), {count, size}}, rows.times, rows.contexts, tape);
        },
        [&](auto& p, const auto& gy) {
          network.backward(p, gy, tape);
          return std::vector<std::vector<double>>{};
        });
    CHECK(relative_error(predict(backend, g, rows), expected.output) < 1e-5);
    CHECK(relative_error(gradient(backend, g, all, 8), adapted ? fixture.adapter_gradients : fixture.gradients) < 1e-5);
  }
}

TEST_CASE("text_unet: adapters start without effect, and only they are trained") {
  cpu_backend backend({.threads = 2});
  auto base = make_tiny_text_unet(backend);
  tiny_text_unet adapted(backend, base.words(), fewstep::test::tiny_text_unet_options(lora_options{.rank = 4}));
  std::copy(base.parameters().begin(), base.parameters().end(), adapted.base_parameters().begin());
  CHECK_FALSE(base.has_adapters());
  REQUIRE(adapted.has_adapters());
  CHECK(adapted.parameters().size() == adapted.gradients().size());
  CHECK(adapted.parameters().size() == adapted.layout().size());
  CHECK(adapted.parameters().size() < base.parameters().size());
  const text_rows all(9, size, 8);
  CHECK(predict(backend, adapted, all.rows()) == predict(backend, base, all.rows()));

  const std::vector<float> frozen(adapted.base_parameters().begin(), adapted.base_parameters().end());
  const auto gradients = gradient(backend, adapted, all, 8);
  CHECK(same_bits(frozen.data(), adapted.base_parameters().data, adapted.base_parameters().size()));
  for (const auto& slice : adapted.layout().slices()) {
    INFO(slice.name);
    // While B is zero the gradient of A is zero, and that of B is not.
    const bool is_b = slice.name.ends_with("lora_B.weight");
    CHECK((is_b || slice.name.ends_with("lora_A.weight")));
    CHECK(std::any_of(gradients.begin() + slice.offset, gradients.begin() + slice.offset + slice.size(),
                      [](float g) { return g != 0; }) == is_b);
  }
  for (float& value : adapted.parameters()) value += 0.1f;
  CHECK(predict(backend, adapted, all.rows()) != predict(backend, base, all.rows()));
}

TEST_CASE("text_unet: initial values depend on the seed only, and the output starts at zero") {
  cpu_backend one({.threads = 1}), two({.threads = 2});
  auto o = fewstep::test::tiny_text_unet_options();
  const fewstep::vocabulary words({"red", "heart"});
  tiny_text_unet a(one, words, o), b(two, words, o);
  CHECK(same_bits(a.parameters().data, b.parameters().data, a.parameters().size()));
  o.seed = 6;
  tiny_text_unet c(one, words, o);
  CHECK_FALSE(same_bits(a.parameters().data, c.parameters().data, a.parameters().size()));
  const text_rows all(2, size, 9);
  const auto output = predict(one, a, all.rows());
  CHECK(std::all_of(output.begin(), output.end(), [](float v) { return v == 0; }));
}

TEST_CASE("text_unet: moves keep parameters, gradients and predictions where they are") {
  cpu_backend backend({.threads = 2});
  auto g = make_tiny_text_unet(backend);
  const text_rows all(2, size, 10);
  const auto expected = predict(backend, g, all.rows());
  const float *parameters = g.parameters().data, *gradients = g.gradients().data;
  auto moved = std::move(g);
  CHECK(moved.parameters().data == parameters);
  CHECK(moved.gradients().data == gradients);
  CHECK(same_bits(predict(backend, moved, all.rows()), expected));
}

TEST_CASE("text_unet: encode gives known words and refuses a prompt without any") {
  cpu_backend backend({.threads = 1});
  const auto g = make_tiny_text_unet(backend);
  CHECK(g.encode("Red heart") == fewstep::token_list{{1, 2}});
  using fewstep::missing_words;
  CHECK_THROWS_WITH(g.encode("very red, tiny moon"),
                    contains("the prompt 'very red, tiny moon' has words that the model cannot be given: 'tiny' "
                             "(unknown), 'very' (unknown); correct them, or leave them out"));
  CHECK(g.encode("very red, tiny moon", missing_words::leave_out) == fewstep::token_list{{1, 4}});
  CHECK_THROWS_WITH(g.encode("red red red red red red red red red red moon moon"),
                    contains("'moon' (beyond the first 10 words, 2 times)"));
  CHECK_THROWS_WITH(g.encode("green dog", missing_words::leave_out), contains("no word of the prompt 'green dog'"));
  CHECK_THROWS_WITH(g.encode("green dog"),
                    contains("no word of the prompt 'green dog' is in the vocabulary of 4 words"));
  CHECK_THROWS_WITH(g.encode(""), contains("no word of the prompt ''"));
}

TEST_CASE("text_unet: more rows than the workspace was made for are refused by forward and backward") {
  cpu_backend backend({.threads = 1});
  auto g = make_tiny_text_unet(backend);
  const text_rows all(3, size, 11);
  auto workspace = g.make_workspace(backend, 2);
  std::vector<float> o(static_cast<std::size_t>(3 * size));
  CHECK_THROWS_WITH(g.forward(backend, all.rows(), {o.data(), {3, size}}, workspace),
                    contains("forward got 3 rows but the workspace was made for 2"));
  CHECK_THROWS_WITH(g.backward(backend, all.rows(), all.gradient(), workspace),
                    contains("backward got 3 rows but the workspace was made for 2"));
}

TEST_CASE("text_unet: the default network fits into the default budget of 1 GiB, also with many threads") {
  if (!FEWSTEP_HAS_OPENMP) return;
  cpu_backend backend({.threads = 64});
  const fewstep::text_unet<cpu_backend> g(backend, fewstep::vocabulary({"red"}), {});
  CHECK(g.workspace_bytes(backend, 64) < std::size_t{900} << 20);
}

TEST_CASE("text_unet: a token that is not in the vocabulary is refused by name") {
  cpu_backend backend({.threads = 1});
  auto g = make_tiny_text_unet(backend);
  text_rows all(3, size, 11);
  all.texts[1].ids[2] = GENERATE(5, -1);
  auto workspace = g.make_workspace(backend, 3);
  std::vector<float> o(static_cast<std::size_t>(3 * size));
  const fewstep::matrix<float> to{o.data(), {3, size}};
  const std::string reason =
      "row 1 has the token " + std::to_string(all.texts[1].ids[2]) + ", but tokens are 0 (padding) to 4";
  CHECK_THROWS_WITH(g.predict(backend, all.rows(), to, workspace), contains(reason));
  CHECK_THROWS_WITH(g.forward(backend, all.rows(), to, workspace), contains(reason));
}

TEST_CASE("text_unet: shapes follow the options") {
  cpu_backend backend({.threads = 1});
  const auto g = make_tiny_text_unet(backend);
  CHECK(g.sample_size() == size);
  CHECK(g.network_options().vocabulary == 5);
  CHECK(g.network_options().frequencies.size() == 32);
  CHECK(g.preconditioner().sigma_data == 0.5f);
}

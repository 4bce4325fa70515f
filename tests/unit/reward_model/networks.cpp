// SPDX-License-Identifier: Apache-2.0
#include "support/gradient_check.hpp"
#include "test.hpp"

#include <fewstep/reward_model/preference_network.hpp>
#include <fewstep/reward_model/two_tower_network.hpp>

#include <cstdint>
#include <string>
#include <vector>

using fewstep::index_t;
using fewstep::matrix;
using fewstep::reward_model_rows;
using fewstep::test::array;
using fewstep::test::network_fixture;
using fewstep::test::to_vector;

namespace {

const fewstep::image_encoder_options encoder{
    .height = 4, .width = 4, .channels = 2, .widths = {4, 6}, .blocks = 1, .groups = 2, .features = 5};

/// Three texts of two or three words; words occur in several.
const std::vector<std::int32_t> words = {1, 2, 0, 3, 1, 4, 2, 0, 2};
const matrix<const std::int32_t> tokens{words.data(), {3, 3}};

template <class Network>
void check(network_fixture<double>& fixture, const Network& network, matrix<const std::int32_t> texts, bool all_moved) {
  fixture.randomize(1);
  array<double, 2> x({3, 32}, 2);
  typename Network::tape tape;
  fewstep::test::check_gradients(
      fixture, {&x.values},
      [&](auto& p) {
        return network.forward(p, reward_model_rows<double>{x, texts}, tape);
      },
      [&](auto& p, const auto& gy) {
        return std::vector<std::vector<double>>{to_vector(network.backward(p, gy, tape))};
      },
      {.samples = 8, .expects_all_moved = all_moved});
}

}  // namespace

TEST_CASE("two towers: gradients") {
  network_fixture<double> fixture;
  const fewstep::two_tower_network<double> network(
      fixture.layout, {.image = encoder, .vocabulary = 5, .text_width = 4, .text_hidden = 6});
  check(fixture, network, tokens, false);  // no row depends on the scale
}

TEST_CASE("two towers: unit vectors, each from its own input, and zero for what is not there") {
  network_fixture<double> fixture;
  const fewstep::two_tower_network<double> network(
      fixture.layout, {.image = encoder, .vocabulary = 5, .text_width = 4, .text_hidden = 6});
  fixture.randomize(3);
  const array<double, 2> x({3, 32}, 4);
  fewstep::two_tower_network<double>::tape tape;
  const auto outputs = [&](const reward_model_rows<double>& rows) {
    return fixture.output([&](auto& p) { return network.forward(p, rows, tape); });
  };
  const auto both = outputs({x, tokens}), pictures = outputs({x, {}}), texts = outputs({{}, tokens});
  for (std::size_t n = 0; n < 3; ++n)
    for (std::size_t tower = 0; tower < 2; ++tower) {
      double squares = 0;
      for (std::size_t e = 0; e < 5; ++e) {
        const std::size_t i = n * 10 + tower * 5 + e;
        squares += both[i] * both[i];
        CHECK(pictures[i] == (tower == 0 ? both[i] : 0));
        CHECK(texts[i] == (tower == 1 ? both[i] : 0));
      }
      CHECK(squares == Approx(1).epsilon(1e-9));
    }
  CHECK(fixture.layout.slices().back().name == "logit_scale");
  fixture.initialize(1);
  CHECK(fixture.parameters[static_cast<std::size_t>(network.logit_scale())] == Approx(std::log(1 / 0.07)));
}

TEST_CASE("preference network: gradients with and without texts") {
  for (const bool reads_texts : {false, true}) {
    network_fixture<double> fixture;
    const fewstep::preference_network<double> network(fixture.layout, {.image = encoder,
                                                                       .reads_texts = reads_texts,
                                                                       .vocabulary = 5,
                                                                       .text_width = 4,
                                                                       .text_hidden = 6,
                                                                       .text_features = 3,
                                                                       .hidden = 7});
    check(fixture, network, reads_texts ? tokens : matrix<const std::int32_t>{}, true);
  }
}

TEST_CASE("text encoder: options that cannot be are refused") {
  fewstep::parameter_layout layout;
  CHECK_THROWS_WITH(fewstep::text_encoder<float>(layout, "text", {.vocabulary = 1}),
                    contains("text_encoder: vocabulary is 1; it must be at least 2 (padding and at least one word)"));
  CHECK_THROWS_WITH(fewstep::text_encoder<float>(layout, "text", {.vocabulary = 2, .hidden = 0}),
                    contains("text_encoder: hidden is 0; it must be from 1 to 65536"));
}

// SPDX-License-Identifier: Apache-2.0
#include "support/gradient_check.hpp"
#include "support/pytorch_reference.hpp"
#include "test.hpp"

#include <fewstep/generator/text_unet_network.hpp>

#include <cmath>
#include <string>
#include <vector>

using fewstep::index_t;
using fewstep::test::array;
using fewstep::test::network_fixture;
using fewstep::test::pytorch_reference;
using fewstep::test::relative_error;
using fewstep::test::to_vector;

namespace {

template <class T>
using gradients = std::vector<std::vector<T>>;

}  // namespace

TEST_CASE("text_unet_network: gradients of every parameter, with adapters and without") {
  for (const bool adapted : {false, true}) {
    CAPTURE(adapted);
    fewstep::text_unet_options o;
    o.unet.height = o.unet.width = 4;
    o.unet.widths = {4, 6};
    o.unet.encoder_blocks = o.unet.middle_blocks = o.unet.decoder_blocks = 1;
    o.unet.condition = 5;
    o.unet.groups = 2;
    o.vocabulary = 6;
    o.text_width = 3;
    o.frequencies = {0.5f, 2, 7};
    network_fixture<double> fixture;
    fewstep::text_unet_network<double> network(fixture.layout, o);
    if (adapted) network.adapt(fixture.adapter_layout, {.rank = 2, .alpha = 3});
    fixture.randomize(1);
    array<double, 2> x({3, 4 * 4 * 3}, 2);
    const std::vector<float> times = {0.02f, 1.5f, 60};
    const std::vector<fewstep::token_list> texts = {{{3, 1}}, {{5, 4, 2}}, {}};
    fewstep::text_unet_network<double>::tape tape;
    fewstep::test::check_gradients(
        fixture, {&x.values},
        [&](auto& p) {
          return network.forward(p, x, {times.data(), {3}}, {texts.data(), {3}}, tape);
        },
        [&](auto& p, const auto& gy) { return gradients<double>{to_vector(network.backward(p, gy, tape))}; },
        {.samples = 8, .expects_all_moved = true});
  }
}

TEMPLATE_TEST_CASE("text_unet_network agrees with PyTorch in its output and every parameter's gradient", "", float,
                   double) {
  const pytorch_reference file("unet.safetensors");
  fewstep::text_unet_options o;
  o.unet.height = o.unet.width = 8;
  o.unet.widths = {16, 32};
  o.unet.condition = o.text_width = 32;
  o.vocabulary = 21;
  o.frequencies = file.flat<float>("time.frequencies");
  network_fixture<TestType> fixture;
  const fewstep::text_unet_network<TestType> network(fixture.layout, o);
  fixture.parameters = file.parameters<TestType>(fixture.layout);
  for (const auto& slice : fixture.layout.slices()) {
    INFO(slice.name);
    CHECK(file.file().contains(slice.name));
  }

  auto x = file.images<TestType>("x");
  const auto times = file.flat<float>("t");
  const auto ids = file.tokens("tokens");
  std::vector<fewstep::token_list> texts(4);
  for (std::size_t i = 0; i < ids.size(); ++i) texts[i / 6].ids[i % 6] = ids[i];
  for (std::size_t i = 0; i < x.values.size(); ++i) {
    const auto t = static_cast<double>(times[i / (x.values.size() / 4)]);
    x.values[i] = static_cast<TestType>(static_cast<double>(x.values[i]) / std::sqrt(t * t + 0.25));
  }
  typename fewstep::text_unet_network<TestType>::tape tape;
  const auto result = fixture.evaluate(
      file.images<TestType>("probe").values,
      [&](auto& p) {
        return network.forward(p, {x.values.data(), {4, 8 * 8 * 3}}, {times.data(), {4}}, {texts.data(), {4}}, tape);
      },
      [&](auto& p, const auto& gy) { return gradients<TestType>{to_vector(network.backward(p, gy, tape))}; });
  // PyTorch's values are rounded to single precision.
  const double tolerance = sizeof(TestType) == 4 ? 1e-5 : 3e-7;
  CHECK(relative_error(result.output, file.images<double>("o").values) < tolerance);
  for (const auto& slice : fixture.layout.slices()) {
    INFO("gradient of " << slice.name);
    const auto expected = file.parameter<double>(slice, "grad." + slice.name);
    const std::vector<TestType> actual(fixture.gradients.begin() + slice.offset,
                                       fixture.gradients.begin() + slice.offset + slice.size());
    CHECK(relative_error(actual, expected) < tolerance);
  }
}

TEST_CASE("text_unet_network: a vocabulary without a word is refused") {
  fewstep::parameter_layout layout;
  fewstep::text_unet_options o;
  o.vocabulary = 1;
  CHECK_THROWS_WITH(fewstep::text_unet_network<float>(layout, o), contains("vocabulary is 1"));
}

// SPDX-License-Identifier: Apache-2.0
#include "support/gradient_check.hpp"
#include "support/pytorch_reference.hpp"
#include "test.hpp"

#include <fewstep/nn/image_encoder.hpp>

#include <string>
#include <vector>

using fewstep::index_t;
using fewstep::test::array;
using fewstep::test::network_fixture;
using fewstep::test::to_vector;

namespace {

fewstep::image_encoder_options tiny(std::vector<index_t> widths, index_t patch, index_t blocks) {
  return {.height = 8,
          .width = 12,
          .channels = 3,
          .patch = patch,
          .widths = std::move(widths),
          .blocks = blocks,
          .groups = 2,
          .features = 5};
}

void check(const fewstep::image_encoder_options& o) {
  network_fixture<double> fixture;
  const fewstep::image_encoder<double> encoder(fixture.layout, "image", o);
  fixture.randomize(1);
  array<double, 4> x({3, o.height, o.width, o.channels}, 2);
  fewstep::image_encoder<double>::tape tape;
  fewstep::test::check_gradients(
      fixture, {&x.values}, [&](auto& p) { return encoder.forward(p, x, tape); },
      [&](auto& p, const auto& gy) {
        return std::vector<std::vector<double>>{to_vector(encoder.backward(p, gy, tape))};
      },
      {.samples = 8});
}

}  // namespace

TEST_CASE("image encoder: gradients with one to three resolutions, patches, and without blocks") {
  check(tiny({4}, 1, 2));
  check(tiny({4, 6}, 2, 1));
  check(tiny({4, 6, 8}, 1, 1));
  check(tiny({4, 6}, 1, 0));
}

TEST_CASE("image encoder: agrees with PyTorch") {
  const fewstep::test::pytorch_reference reference("reward_models.safetensors");
  network_fixture<double> fixture;
  const fewstep::image_encoder<double> encoder(
      fixture.layout, "image",
      {.height = 8, .width = 12, .patch = 2, .widths = {8, 12}, .blocks = 1, .groups = 4, .features = 5});
  fixture.parameters = reference.parameters<double>(fixture.layout);
  const auto x = reference.images<double>("encoder.x");
  fewstep::image_encoder<double>::tape tape;
  const auto result = fixture.evaluate(
      reference.flat<double>("encoder.probe"), [&](auto& p) { return encoder.forward(p, x, tape); },
      [&](auto& p, const auto& gy) {
        return std::vector<std::vector<double>>{to_vector(encoder.backward(p, gy, tape))};
      });
  constexpr double rounding = 2e-7;  // of what the file stores
  CHECK(fewstep::test::relative_error(result.output, reference.flat<double>("encoder.output")) < rounding);
  CHECK(fewstep::test::relative_error(result.input_gradients[0], reference.images<double>("encoder.grad.x").values) <
        rounding);
  for (const auto& slice : fixture.layout.slices()) {
    INFO(slice.name);
    const auto expected = reference.parameter<double>(slice, "grad." + slice.name);
    const std::vector<double> actual(fixture.gradients.begin() + slice.offset,
                                     fixture.gradients.begin() + slice.offset + slice.size());
    CHECK(fewstep::test::relative_error(actual, expected) < rounding);
  }
}

TEST_CASE("image encoder: shapes that cannot be are refused") {
  const auto refuses = [](fewstep::image_encoder_options o, const std::string& part) {
    fewstep::parameter_layout layout;
    INFO(part);
    CHECK_THROWS_WITH(fewstep::image_encoder<float>(layout, "image", o), contains(part));
  };
  refuses(tiny({}, 1, 1), "image_encoder: 'image' has 0 widths; give 1 to 8");
  refuses(tiny({4, 6, 8}, 2, 1), "pictures of 8 x 12 cannot be halved 2 times after patches of 2");
  refuses(tiny({4, 5}, 1, 1), "5 channels, which 2 groups do not divide");
  refuses(tiny({4}, 0, 1), "patch is 0; it must be from 1 to 65536");
  refuses(tiny({4}, 1, -1), "blocks is -1; it must be from 0 to 65536");
}

// SPDX-License-Identifier: Apache-2.0
#include "support/gradient_check.hpp"
#include "test.hpp"

#include <fewstep/nn/unet.hpp>

#include <set>
#include <string>
#include <vector>

using fewstep::index_t;
using fewstep::test::array;
using fewstep::test::network_fixture;
using fewstep::test::to_vector;

namespace {

fewstep::unet_options tiny(std::vector<index_t> widths) {
  fewstep::unet_options o;
  o.height = 8;
  o.width = 16;
  o.widths = std::move(widths);
  o.encoder_blocks = 1;
  o.middle_blocks = 2;
  o.decoder_blocks = 1;
  o.condition = 5;
  o.groups = 2;
  return o;
}

void check(const fewstep::unet_options& o, bool adapted = false) {
  network_fixture<double> fixture;
  fewstep::unet<double> network(fixture.layout, "unet", o);
  if (adapted) {
    network.adapt(fixture.adapter_layout, {.rank = 2, .alpha = 3});
    fixture.train_base = false;
  }
  fixture.randomize(1);
  array<double, 4> x({2, o.height, o.width, o.channels}, 2);
  array<double, 2> condition({2, o.condition}, 3);
  fewstep::unet<double>::tape tape;
  fewstep::test::check_gradients(
      fixture, {&x.values, &condition.values}, [&](auto& p) { return network.forward(p, x, condition, tape); },
      [&](auto& p, const auto& gy) {
        std::vector<double> g(condition.values.size());
        const auto gx = network.backward(p, gy, fewstep::matrix<double>{g.data(), condition.extents}, tape);
        return std::vector<std::vector<double>>{to_vector(gx), g};
      },
      {.samples = 6, .expects_all_moved = true});
}

}  // namespace

TEST_CASE("unet: gradients with one, two and three resolutions") {
  check(tiny({4}));
  check(tiny({4, 6}));
  check(tiny({4, 6, 8}));
}

TEST_CASE("unet: gradients with several blocks, heads, no patches and adapters") {
  auto o = tiny({4, 8});
  o.height = o.width = 4;
  o.patch = 1;
  o.channels = 2;
  o.encoder_blocks = o.decoder_blocks = 2;
  o.heads = 2;
  check(o);
  check(o, true);
  o.heads = 0;
  check(o);
}

TEST_CASE("unet: starts at zero, and its parameters have names of their own") {
  network_fixture<float> fixture;
  const auto o = tiny({4, 6, 8});
  const fewstep::unet<float> network(fixture.layout, "unet", o);
  fixture.initialize(4);
  const array<float, 4> x({1, 8, 16, 3}, 5);
  const array<float, 2> condition({1, 5}, 6);
  fewstep::unet<float>::tape tape;
  const auto y = fixture.output([&](auto& p) { return network.forward(p, x, condition, tape); });
  CHECK(y == std::vector<float>(8 * 16 * 3));
  std::set<std::string> names;
  for (const auto& slice : fixture.layout.slices()) names.insert(slice.name);
  CHECK(names.size() == fixture.layout.slices().size());
  for (const char* name : {"unet.in.weight", "unet.encoder.1.0.norm1.bias", "unet.down.1.weight",
                           "unet.middle.1.condition.weight", "unet.attention.qkv.weight", "unet.up.0.bias",
                           "unet.decoder.0.0.skip.weight", "unet.norm.weight", "unet.out.bias"}) {
    INFO(name);
    CHECK(names.count(name) == 1);
  }
}

TEST_CASE("unet: a tape serves again for a batch of another size") {
  network_fixture<float> fixture;
  const auto o = tiny({4, 6});
  const fewstep::unet<float> network(fixture.layout, "unet", o);
  fixture.randomize(7);
  fewstep::unet<float>::tape used;
  const array<float, 4> x({3, 8, 16, 3}, 8);
  const array<float, 2> condition({3, 5}, 9);
  const auto all = fixture.output([&](auto& p) { return network.forward(p, x, condition, used); });
  for (index_t r = 0; r < 3; ++r) {
    const auto one = fixture.output(
        [&](auto& p) { return network.forward(p, x.view().subview(r, 1), condition.view().subview(r, 1), used); });
    const std::vector<float> expected(all.begin() + r * 384, all.begin() + (r + 1) * 384);
    CHECK(fewstep::test::relative_error(one, expected) < 1e-6);
  }
}

TEST_CASE("unet: shapes that cannot be are refused") {
  const auto refuses = [](fewstep::unet_options o, const std::string& part) {
    fewstep::parameter_layout layout;
    INFO(part);
    CHECK_THROWS_WITH(fewstep::unet<float>(layout, "unet", o), contains(part));
  };
  auto o = tiny({4, 6, 8});
  o.height = 12;
  refuses(o, "pictures of 12 x 16 cannot be halved 2 times after patches of 2; both sides must be multiples of 8");
  o = tiny({});
  refuses(o, "has 0 widths");
  o = tiny({4, 6});
  o.decoder_blocks = 0;
  refuses(o, "decoder_blocks is 0; it must be from 1");
  o = tiny({4, 6});
  o.groups = 4;
  refuses(o, "6 channels");
  o = tiny({4, 6});
  o.heads = 4;
  refuses(o, "4 heads");
}

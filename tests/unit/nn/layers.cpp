// SPDX-License-Identifier: Apache-2.0
#include "support/gradient_check.hpp"
#include "test.hpp"

#include <fewstep/nn/activation.hpp>
#include <fewstep/nn/attention.hpp>
#include <fewstep/nn/conv2d.hpp>
#include <fewstep/nn/embedding.hpp>
#include <fewstep/nn/linear.hpp>
#include <fewstep/nn/mlp.hpp>
#include <fewstep/nn/norm.hpp>
#include <fewstep/nn/resample.hpp>
#include <fewstep/nn/residual_block.hpp>

#include <cmath>
#include <string>
#include <vector>

using fewstep::activation;
using fewstep::images;
using fewstep::index_t;
using fewstep::matrix;
using fewstep::parameter_layout;
using fewstep::test::array;
using fewstep::test::check_gradients;
using fewstep::test::network_fixture;
using fewstep::test::normals;
using fewstep::test::to_vector;
using gradients = std::vector<std::vector<double>>;

namespace {

/// Checks a module y = f(x) whose forward and backward take nothing but x.
template <class Module, int Rank>
void check_module(network_fixture<double>& fixture, const Module& module, array<double, Rank> x) {
  typename Module::tape tape;
  check_gradients(
      fixture, {&x.values}, [&](auto& p) { return module.forward(p, x, tape); },
      [&](auto& p, const auto& gy) { return gradients{to_vector(module.backward(p, gy, tape))}; });
}

}  // namespace

TEST_CASE("linear: gradients, with and without a low-rank adapter, base trained or frozen") {
  network_fixture<double> fixture;
  fewstep::linear<double> layer(fixture.layout, "layer", 5, 7);
  SECTION("alone") {}
  SECTION("with an adapter") { layer.adapt(fixture.adapter_layout, {.rank = 3, .alpha = 5}); }
  SECTION("with an adapter on a frozen base") {
    layer.adapt(fixture.adapter_layout, {.rank = 3, .alpha = 5});
    fixture.train_base = false;
  }
  fixture.randomize(1);
  check_module(fixture, layer, array<double, 2>({6, 5}, 2));
}

TEST_CASE("linear: an adapter at its start changes no bit, and alpha / rank scales it afterwards") {
  network_fixture<float> fixture;
  fewstep::linear<float> layer(fixture.layout, "layer", 12, 20), plain = layer;
  layer.adapt(fixture.adapter_layout, {.rank = 4, .alpha = 6});
  fixture.initialize(3);
  const array<float, 2> x({5, 12}, 4);
  fewstep::linear<float>::tape tape;
  const auto run = [&](const auto& module) {
    return fixture.output([&](auto& p) { return module.forward(p, x, tape); });
  };
  CHECK(run(layer) == run(plain));
  fixture.randomize(5);
  const auto base = run(plain), adapted = run(layer);
  std::vector<double> expected;
  for (std::size_t r = 0; r < 5; ++r)
    for (std::size_t o = 0; o < 20; ++o) {
      double sum = 0;
      for (std::size_t k = 0; k < 4; ++k)
        for (std::size_t i = 0; i < 12; ++i)
          sum += static_cast<double>(x.values[r * 12 + i] * fixture.adapters[i * 4 + k]) *
                 static_cast<double>(fixture.adapters[48 + k * 20 + o]);
      expected.push_back(static_cast<double>(base[r * 20 + o]) + 1.5 * sum);
    }
  CHECK(fewstep::test::relative_error(adapted, expected) < 1e-6);
}

TEST_CASE("settings of layers that cannot be used are refused with the name of the layer") {
  parameter_layout layout, adapters;
  fewstep::linear<float> layer(layout, "block.query", 2, 3);
  CHECK_THROWS_WITH(layer.adapt(adapters, {.rank = 0}),
                    contains("lora of 'block.query': rank is 0; it must be at least 1"));
  CHECK_THROWS_WITH(fewstep::linear<float>(layout, "other", 2, 3, {.gain = -1}),
                    contains("linear 'other': gain is -1; it must be at least 0 and finite"));
  CHECK_THROWS_WITH(fewstep::conv2d<float>(layout, "block.first", 2, 3, {.kernel = 0}),
                    contains("conv2d 'block.first': kernel is 0; it must be at least 1"));
}

TEST_CASE("conv2d: gradients") {
  struct setting {
    index_t kernel, stride, height, width;
  };
  for (const auto& s :
       {setting{3, 1, 4, 5}, setting{1, 1, 3, 4}, setting{3, 2, 6, 4}, setting{3, 2, 5, 7}, setting{3, 1, 1, 1}}) {
    CAPTURE(s.kernel, s.stride, s.height, s.width);
    network_fixture<double> fixture;
    const fewstep::conv2d<double> layer(fixture.layout, "layer", 3, 5, {.kernel = s.kernel, .stride = s.stride});
    fixture.randomize(6);
    typename fewstep::conv2d<double>::tape tape;
    array<double, 4> x({2, s.height, s.width, 3}, 7);
    check_gradients(
        fixture, {&x.values}, [&](auto& p) { return layer.forward(p, x, tape); },
        [&](auto& p, const auto& gy) { return gradients{to_vector(layer.backward(p, gy, tape))}; },
        {.expects_all_moved = true});
  }
}

TEST_CASE("conv2d: backward_weight is the parameters' part of backward") {
  network_fixture<double> fixture;
  const fewstep::conv2d<double> layer(fixture.layout, "layer", 3, 5);
  fixture.randomize(8);
  const array<double, 4> x({2, 4, 4, 3}, 9);
  fewstep::conv2d<double>::tape tape;
  const auto probe = normals<double>(160, 10);
  const auto forward = [&](auto& p) { return layer.forward(p, x, tape); };
  fixture.evaluate(probe, forward,
                   [&](auto& p, const auto& gy) { return gradients{to_vector(layer.backward(p, gy, tape))}; });
  const auto expected = fixture.gradients;
  fixture.evaluate(probe, forward, [&](auto& p, const auto& gy) {
    layer.backward_weight(p, gy, tape);
    return gradients{};
  });
  CHECK(fixture.gradients == expected);
}

TEST_CASE("group_norm: gradients with and without SiLU and conditioning") {
  for (const index_t channels : {8, 24})
    for (const auto after : {activation::identity, activation::silu})
      for (const bool conditioned : {false, true}) {
        CAPTURE(channels, after == activation::silu, conditioned);
        network_fixture<double> fixture;
        const fewstep::group_norm<double> layer(fixture.layout, "layer", channels, 4, after);
        fixture.randomize(11);
        array<double, 4> x({2, 3, 4, channels}, 12, 2);
        array<double, 2> condition({2, 2 * channels}, 13);
        fewstep::group_norm<double>::tape tape;
        if (!conditioned) {
          check_module(fixture, layer, x);
          continue;
        }
        check_gradients(
            fixture, {&x.values, &condition.values},
            [&](auto& p) { return layer.forward(p, x, tape, condition.values.data()); },
            [&](auto& p, const auto& gy) {
              std::vector<double> g(condition.values.size(), 1e9);
              const auto gx = layer.backward(p, gy, tape, g.data());
              return gradients{to_vector(gx), g};
            });
      }
}

TEST_CASE("group_norm: groups that do not divide the channels are refused") {
  parameter_layout layout;
  CHECK_THROWS_WITH(fewstep::group_norm<float>(layout, "n", 20, 8), contains("'n' has 20 channels, which 8 groups"));
}

TEST_CASE("layer_norm: gradients") {
  network_fixture<double> fixture;
  const fewstep::layer_norm<double> layer(fixture.layout, "layer", 7);
  fixture.randomize(14);
  check_module(fixture, layer, array<double, 2>({4, 7}, 15, 2));
}

TEST_CASE("silu and gelu: gradients") {
  network_fixture<double> fixture;
  check_module(fixture, fewstep::elementwise<double, fewstep::silu>{}, array<double, 2>({4, 7}, 16, 3));
  check_module(fixture, fewstep::elementwise<double, fewstep::gelu>{}, array<double, 2>({4, 7}, 17, 3));
}

TEST_CASE("bag_of_words: gradients, and padding and empty texts give nothing") {
  network_fixture<double> fixture;
  const fewstep::bag_of_words<double> layer(fixture.layout, "words", 9, 5);
  CHECK(layer.vocabulary() == 9);
  fixture.randomize(18);
  const std::vector<std::int32_t> ids = {3, 1, 8, 0, 0, 4, 4, 3, 0, 0, 0, 0};
  const matrix<const std::int32_t> tokens{ids.data(), {3, 4}};
  fewstep::bag_of_words<double>::tape tape;
  const auto forward = [&](auto& p) { return layer.forward(p, tokens, tape); };
  check_gradients(fixture, {}, forward, [&](auto& p, const auto& gy) {
    layer.backward(p, gy, tape);
    return gradients{};
  });
  const auto y = fixture.output(forward);
  const auto row = [&](std::size_t token, std::size_t j) { return fixture.parameters[token * 5 + j]; };
  for (std::size_t j = 0; j < 5; ++j) {
    CHECK(y[j] == Approx((row(3, j) + row(1, j) + row(8, j)) / std::sqrt(3.0)));
    CHECK(y[5 + j] == Approx((2 * row(4, j) + row(3, j)) / std::sqrt(3.0)));
    CHECK(y[10 + j] == 0);
    CHECK(fixture.gradients[j] == 0);
  }
}

TEST_CASE("fourier_features: values") {
  network_fixture<double> fixture;
  const std::vector<float> times = {0.002f, 1, 80}, frequencies = {0.25f, 3, 64};
  const auto y = fixture.output([&](auto& p) {
    return fewstep::fourier_features<double>(p, {times.data(), {3}}, {frequencies.data(), {3}});
  });
  for (std::size_t n = 0; n < 3; ++n)
    for (std::size_t j = 0; j < 3; ++j) {
      const double phase = std::log(static_cast<double>(times[n])) / 4 * static_cast<double>(frequencies[j]);
      CHECK(y[n * 6 + j] == Approx(std::sin(phase)).margin(1e-14));
      CHECK(y[n * 6 + 3 + j] == Approx(std::cos(phase)).margin(1e-14));
    }
}

TEST_CASE("self_attention: gradients with one head and two") {
  for (const index_t heads : {1, 2}) {
    CAPTURE(heads);
    network_fixture<double> fixture;
    const fewstep::self_attention<double> layer(fixture.layout, "layer", 8, heads, 2);
    fixture.randomize(19);
    check_module(fixture, layer, array<double, 4>({2, 2, 3, 8}, 20));
  }
}

TEST_CASE("self_attention: gradients with adapters on a frozen base") {
  network_fixture<double> fixture;
  fewstep::self_attention<double> layer(fixture.layout, "layer", 8, 2, 2);
  layer.adapt(fixture.adapter_layout, {.rank = 2, .alpha = 3});
  fixture.train_base = false;
  fixture.randomize(21);
  check_module(fixture, layer, array<double, 4>({2, 2, 3, 8}, 22));
}

TEST_CASE("cross_attention: gradients with one head and two, with adapters and without") {
  for (const index_t heads : {1, 2})
    for (const bool adapted : {false, true}) {
      CAPTURE(heads, adapted);
      network_fixture<double> fixture;
      fewstep::cross_attention<double> layer(fixture.layout, "layer", 6, 5, heads);
      if (adapted) layer.adapt(fixture.adapter_layout, {.rank = 2, .alpha = 3});
      fixture.randomize(23);
      array<double, 2> x({2 * 4, 6}, 24), context({2 * 3, 5}, 25);
      fewstep::cross_attention<double>::tape tape;
      check_gradients(
          fixture, {&x.values, &context.values}, [&](auto& p) { return layer.forward(p, 2, x, context, tape); },
          [&](auto& p, const auto& gy) {
            const auto g = layer.backward(p, gy, tape);
            return gradients{to_vector(g.x), to_vector(g.context)};
          });
    }
}

TEST_CASE("attention: heads that do not divide the channels are refused") {
  parameter_layout layout;
  CHECK_THROWS_WITH(fewstep::self_attention<float>(layout, "a", 16, 3, 8), contains("'a' has 16 channels and 3 heads"));
  CHECK_THROWS_WITH(fewstep::cross_attention<float>(layout, "b", 16, 8, 3),
                    contains("'b' has 16 channels and 3 heads"));
}

TEST_CASE("residual_block: gradients with and without a projected skip, with adapters and without") {
  for (const index_t out : {8, 12})
    for (const bool adapted : {false, true}) {
      CAPTURE(out, adapted);
      network_fixture<double> fixture;
      fewstep::residual_block<double> block(fixture.layout, "block", 8, out, 5, 4);
      if (adapted) block.adapt(fixture.adapter_layout, {.rank = 2, .alpha = 3});
      fixture.randomize(26);
      array<double, 4> x({2, 3, 4, 8}, 27);
      array<double, 2> condition({2, 5}, 28);
      fewstep::residual_block<double>::tape tape;
      check_gradients(
          fixture, {&x.values, &condition.values}, [&](auto& p) { return block.forward(p, x, condition, tape); },
          [&](auto& p, const auto& gy) {
            // The block adds to what is there.
            std::vector<double> g(condition.values.size(), 2.5);
            const auto gx = block.backward(p, gy, matrix<double>{g.data(), condition.extents}, tape);
            for (double& value : g) value -= 2.5;
            return gradients{to_vector(gx), g};
          },
          {.samples = 60, .expects_all_moved = true});
    }
}

TEST_CASE("up-sampling and pixel shuffles: gradients") {
  network_fixture<double> fixture;
  array<double, 4> small({2, 2, 3, 8}, 29), large({2, 4, 6, 3}, 30);
  check_gradients(
      fixture, {&small.values}, [&](auto& p) { return fewstep::upsample_nearest<double>(p, small); },
      [&](auto& p, const auto& gy) { return gradients{to_vector(fewstep::upsample_nearest_backward<double>(p, gy))}; });
  check_gradients(
      fixture, {&large.values}, [&](auto& p) { return fewstep::pixel_unshuffle<double>(p, large, 2); },
      [&](auto& p, const auto& gy) { return gradients{to_vector(fewstep::pixel_shuffle<double>(p, gy, 2))}; });
  check_gradients(
      fixture, {&small.values}, [&](auto& p) { return fewstep::pixel_shuffle<double>(p, small, 2); },
      [&](auto& p, const auto& gy) { return gradients{to_vector(fewstep::pixel_unshuffle<double>(p, gy, 2))}; });
}

TEST_CASE("concatenate and channel_slice: values and gradients") {
  network_fixture<double> fixture;
  array<double, 4> a({2, 2, 3, 5}, 31), b({2, 2, 3, 4}, 32);
  check_gradients(
      fixture, {&a.values, &b.values}, [&](auto& p) { return fewstep::concatenate<double>(p, a, b); },
      [&](auto& p, const auto& gy) {
        return gradients{to_vector(fewstep::channel_slice<double>(p, gy, 0, 5)),
                         to_vector(fewstep::channel_slice<double>(p, gy, 5, 4))};
      });
  const auto y = fixture.output([&](auto& p) { return fewstep::concatenate<double>(p, a, b); });
  for (std::size_t pixel = 0; pixel < 12; ++pixel)
    for (std::size_t c = 0; c < 9; ++c)
      CHECK(y[pixel * 9 + c] == (c < 5 ? a.values[pixel * 5 + c] : b.values[pixel * 4 + c - 5]));
}

TEST_CASE("mlp: gradients, with adapters and without") {
  network_fixture<double> fixture;
  fewstep::mlp<double> network(fixture.layout, "mlp", {5, 6, 7, 3});
  SECTION("alone") {}
  SECTION("with adapters") { network.adapt(fixture.adapter_layout, {.rank = 2, .alpha = 3}); }
  fixture.randomize(33);
  check_module(fixture, network, array<double, 2>({4, 5}, 34));
}

TEST_CASE("mlp: fewer than two widths are refused") {
  parameter_layout layout;
  CHECK_THROWS_WITH(fewstep::mlp<float>(layout, "m", {3}), contains("'m' has 1 widths"));
}

TEST_CASE("parameter_layout: names are unique, and file layout and memory layout convert into each other") {
  parameter_layout layout;
  layout.add("w", fewstep::slice_kind::convolution, {3, 3, 2, 4}, 0, 1);
  layout.add("v", fewstep::slice_kind::linear, {5, 6}, 0, 1);
  CHECK(layout.size() == 102);
  CHECK_THROWS_WITH(layout.add_constant("w", 1, 0), contains("'w' is used twice"));
  for (const auto& slice : layout.slices()) {
    const auto memory = normals<float>(slice.size(), 35);
    std::vector<float> file(memory.size()), back(memory.size());
    convert_layout(slice, memory.data(), file.data(), true);
    convert_layout(slice, file.data(), back.data(), false);
    CHECK(back == memory);
    CHECK(file != memory);
  }
  CHECK(file_extents(layout.slices()[0]) == std::vector<index_t>{4, 2, 3, 3});
  CHECK(file_extents(layout.slices()[1]) == std::vector<index_t>{6, 5});
}

TEST_CASE("parameter_layout: initial values follow their law and the seed only") {
  parameter_layout layout, longer;
  for (auto* l : {&layout, &longer}) {
    l->add("w", fewstep::slice_kind::linear, {200, 50}, 0, 0.1f);
    l->add_constant("g", 16, 1);
  }
  longer.add_constant("h", 3, 2);
  std::vector<float> values(static_cast<std::size_t>(layout.size())), other(static_cast<std::size_t>(longer.size()));
  layout.initialize(fewstep::as_vec(std::span(values)), 7);
  longer.initialize(fewstep::as_vec(std::span(other)), 7);
  CHECK(fewstep::test::same_bits(values.data(), other.data(), layout.size()));
  double sum = 0, squares = 0;
  for (std::size_t i = 0; i < 10000; ++i) {
    sum += static_cast<double>(values[i]) / 0.1;
    squares += static_cast<double>(values[i]) * static_cast<double>(values[i]) / 0.01;
  }
  CHECK(std::abs(sum) < 5.5 * 100);                               // deviation of the sum: 100
  CHECK(std::abs(squares - 10000) < 5.5 * std::sqrt(2.0) * 100);  // and of the squares' sum: 141
  CHECK(std::all_of(values.begin() + 10000, values.end(), [](float v) { return v == 1; }));
  layout.initialize(fewstep::as_vec(std::span(other).first(values.size())), 8);
  CHECK(other[0] != values[0]);
}

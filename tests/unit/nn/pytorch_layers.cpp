// SPDX-License-Identifier: Apache-2.0
// Every layer against PyTorch's output and gradients (tests/data/layers.safetensors).
#include "support/pytorch_reference.hpp"
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

using fewstep::index_t;
using fewstep::test::array;
using fewstep::test::evaluation;
using fewstep::test::network_fixture;
using fewstep::test::pytorch_reference;
using fewstep::test::relative_error;
using fewstep::test::to_vector;

namespace {

template <class T>
using gradients = std::vector<std::vector<T>>;

/// Values are stored in single precision.
template <class T>
constexpr double tolerance = sizeof(T) == 4 ? 2e-6 : 2e-7;

const pytorch_reference& layers() {
  static const pytorch_reference file("layers.safetensors", {{"norm", "n"},
                                                             {"qkv", "q"},
                                                             {"out", "o"},
                                                             {"query", "q"},
                                                             {"key", "k"},
                                                             {"value", "v"},
                                                             {"norm1", "n1"},
                                                             {"norm2", "n2"},
                                                             {"conv1", "c1"},
                                                             {"conv2", "c2"},
                                                             {"condition", "e"},
                                                             {"skip", "sk"}});
  return file;
}

/// A tensor of the case: pictures channels-last, all else as stored.
template <class T>
std::vector<T> stored(const std::string& name) {
  return layers().file().shape(name).size() == 4 ? layers().images<T>(name).values : layers().flat<T>(name);
}

/// Modules whose names begin with the case's: compares the output, the gradients of the inputs and of all parameters.
template <class T, class Forward, class Backward>
void check_case(network_fixture<T>& fixture, const std::string& name, const std::vector<std::string>& inputs,
                const Forward& forward, const Backward& backward) {
  INFO(name);
  fixture.parameters = layers().parameters<T>(fixture.layout);
  const auto result = fixture.evaluate(stored<T>(name + ".probe"), forward, backward);
  CHECK(relative_error(result.output, stored<T>(name + ".output")) < tolerance<T>);
  REQUIRE(result.input_gradients.size() == inputs.size());
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    INFO("gradient of " << inputs[i]);
    CHECK(relative_error(result.input_gradients[i], stored<T>(name + ".grad." + inputs[i])) < tolerance<T>);
  }
  for (const auto& slice : fixture.layout.slices()) {
    const auto there = layers().renamed(slice.name);
    INFO("gradient of " << there);
    if (!layers().file().contains(there)) {
      CHECK(name.starts_with("cross_attention_rows"));  // PyTorch's has no biases of q, k and v
      continue;
    }
    const auto expected = layers().parameter<T>(slice, name + ".grad" + there.substr(name.size()));
    const std::vector<T> actual(fixture.gradients.begin() + slice.offset,
                                fixture.gradients.begin() + slice.offset + slice.size());
    // A key's bias moves no softmax: its gradient is rounding error on both sides.
    double size = 0;
    for (const T g : expected) size = std::max(size, std::abs(static_cast<double>(g)));
    if (size < 1e-12)
      CHECK(fewstep::test::largest_difference(actual, expected) < 10 * tolerance<T>);
    else
      CHECK(relative_error(actual, expected) < tolerance<T>);
  }
}

/// A module with nothing but x for input.
template <class T, class Module, int Rank>
void check_module(network_fixture<T>& fixture, const std::string& name, const Module& module, const array<T, Rank>& x) {
  typename Module::tape tape;
  check_case(
      fixture, name, {"x"}, [&](auto& p) { return module.forward(p, x, tape); },
      [&](auto& p, const auto& gy) { return gradients<T>{to_vector(module.backward(p, gy, tape))}; });
}

}  // namespace

TEMPLATE_TEST_CASE("linear and mlp agree with PyTorch", "", float, double) {
  network_fixture<TestType> one, several;
  const fewstep::linear<TestType> linear(one.layout, "linear", 7, 4);
  check_module(one, "linear", linear, layers().rows<TestType, 2>("linear.x"));
  const fewstep::mlp<TestType> mlp(several.layout, "mlp", {5, 16, 16, 3});
  check_module(several, "mlp", mlp, layers().rows<TestType, 2>("mlp.x"));
}

TEMPLATE_TEST_CASE("a low-rank adapter agrees with PyTorch", "", float, double) {
  network_fixture<TestType> fixture;
  fewstep::linear<TestType> layer(fixture.layout, "lora_linear", 12, 7);
  layer.adapt(fixture.adapter_layout, {.rank = 3, .alpha = 6});
  const auto& slices = fixture.adapter_layout.slices();
  for (std::size_t i = 0; i < 2; ++i) {
    const auto values = layers().parameter<TestType>(slices[i], i == 0 ? "lora_linear.lora_a" : "lora_linear.lora_b");
    fixture.adapters.insert(fixture.adapters.end(), values.begin(), values.end());
  }
  check_module(fixture, "lora_linear", layer, layers().rows<TestType, 2>("lora_linear.x"));
  for (std::size_t i = 0; i < 2; ++i) {
    const auto expected =
        layers().parameter<TestType>(slices[i], i == 0 ? "lora_linear.grad.lora_a" : "lora_linear.grad.lora_b");
    const std::vector<TestType> actual(fixture.adapter_gradients.begin() + slices[i].offset,
                                       fixture.adapter_gradients.begin() + slices[i].offset + slices[i].size());
    CHECK(relative_error(actual, expected) < tolerance<TestType>);
  }
}

TEMPLATE_TEST_CASE("conv2d agrees with PyTorch", "", float, double) {
  struct setting {
    std::string name;
    index_t in, out, kernel, stride;
  };
  for (const auto& s : {setting{"conv3x3", 5, 4, 3, 1}, setting{"conv1x1", 5, 6, 1, 1},
                        setting{"conv3x3_stride2_even", 3, 4, 3, 2}, setting{"conv3x3_stride2_odd", 3, 4, 3, 2}}) {
    network_fixture<TestType> fixture;
    const fewstep::conv2d<TestType> layer(fixture.layout, s.name, s.in, s.out,
                                          {.kernel = s.kernel, .stride = s.stride});
    check_module(fixture, s.name, layer, layers().images<TestType>(s.name + ".x"));
  }
}

TEMPLATE_TEST_CASE("group_norm and layer_norm agree with PyTorch", "", float, double) {
  using fewstep::activation;
  for (const bool active : {false, true}) {
    network_fixture<TestType> fixture;
    const std::string name = active ? "group_norm_silu" : "group_norm";
    const fewstep::group_norm<TestType> layer(fixture.layout, name, 16, 8,
                                              active ? activation::silu : activation::identity);
    check_module(fixture, name, layer, layers().images<TestType>(name + ".x"));
  }
  {
    network_fixture<TestType> fixture;
    const std::string name = "group_norm_scale_shift_silu";
    const fewstep::group_norm<TestType> layer(fixture.layout, name, 16, 8, activation::silu);
    const auto x = layers().images<TestType>(name + ".x");
    const auto scale = layers().flat<TestType>(name + ".scale"), shift = layers().flat<TestType>(name + ".shift");
    std::vector<TestType> condition(64);
    for (std::size_t i = 0; i < 64; ++i) condition[i] = (i % 32 < 16 ? scale : shift)[i / 32 * 16 + i % 16];
    typename fewstep::group_norm<TestType>::tape tape;
    check_case(
        fixture, name, {"x", "scale", "shift"}, [&](auto& p) { return layer.forward(p, x, tape, condition.data()); },
        [&](auto& p, const auto& gy) {
          std::vector<TestType> g(64), gscale, gshift;
          const auto gx = layer.backward(p, gy, tape, g.data());
          for (std::size_t i = 0; i < 64; ++i) (i % 32 < 16 ? gscale : gshift).push_back(g[i]);
          return gradients<TestType>{to_vector(gx), gscale, gshift};
        });
  }
  network_fixture<TestType> fixture;
  const fewstep::layer_norm<TestType> layer(fixture.layout, "layer_norm", 12);
  check_module(fixture, "layer_norm", layer, layers().rows<TestType, 2>("layer_norm.x"));
}

TEMPLATE_TEST_CASE("silu and gelu agree with PyTorch", "", float, double) {
  network_fixture<TestType> fixture;
  check_module(fixture, "silu", fewstep::elementwise<TestType, fewstep::silu>{}, layers().rows<TestType, 2>("silu.x"));
  check_module(fixture, "gelu", fewstep::elementwise<TestType, fewstep::gelu>{}, layers().rows<TestType, 2>("gelu.x"));
}

TEMPLATE_TEST_CASE("bag_of_words and fourier_features agree with PyTorch", "", float, double) {
  network_fixture<TestType> fixture;
  const fewstep::bag_of_words<TestType> words(fixture.layout, "embedding_sum", 11, 8);
  const auto tokens = layers().tokens("embedding_sum.tokens");
  typename fewstep::bag_of_words<TestType>::tape tape;
  check_case(
      fixture, "embedding_sum", {},
      [&](auto& p) {
        return words.forward(p, {tokens.data(), {4, 6}}, tape);
      },
      [&](auto& p, const auto& gy) {
        words.backward(p, gy, tape);
        return gradients<TestType>{};
      });
  // The layer takes noise levels: ln(t) / 4 is what PyTorch calls x.
  std::vector<float> times;
  for (const double x : layers().flat<double>("fourier_embedding.x"))
    times.push_back(static_cast<float>(std::exp(4 * x)));
  const auto frequencies = layers().flat<float>("fourier_embedding.frequencies");
  const auto y = fixture.output([&](auto& p) {
    return fewstep::fourier_features<TestType>(p, {times.data(), {5}}, {frequencies.data(), {6}});
  });
  CHECK(relative_error(y, layers().flat<double>("fourier_embedding.output")) < 1e-6);
}

TEMPLATE_TEST_CASE("self_attention agrees with PyTorch", "", float, double) {
  for (const index_t heads : {1, 4}) {
    network_fixture<TestType> fixture;
    const std::string name = "self_attention_" + std::to_string(heads);
    const fewstep::self_attention<TestType> layer(fixture.layout, name, 16, heads, 8);
    check_module(fixture, name, layer, layers().images<TestType>(name + ".x"));
  }
}

TEMPLATE_TEST_CASE("cross_attention agrees with PyTorch", "", float, double) {
  using fewstep::matrix;
  for (const index_t heads : {1, 4}) {
    const std::string name = "cross_attention_" + std::to_string(heads);
    network_fixture<TestType> fixture;
    const fewstep::group_norm<TestType> norm(fixture.layout, name + ".norm", 16, 8);
    const fewstep::cross_attention<TestType> layer(fixture.layout, name, 16, 6, heads);
    const auto x = layers().images<TestType>(name + ".x");
    const auto context = layers().rows<TestType, 3>(name + ".context");
    typename fewstep::group_norm<TestType>::tape norm_tape;
    typename fewstep::cross_attention<TestType>::tape tape;
    // There the residual goes around the normalisation, here around the attention alone: x - norm(x) moves it.
    check_case(
        fixture, name, {"x", "context"},
        [&](auto& p) {
          const auto normalised = norm.forward(p, x, norm_tape);
          const auto y =
              layer.forward(p, 2, fewstep::pixels<const TestType>(normalised), {context.values.data(), {10, 6}}, tape);
          for (index_t i = 0; i < y.size(); ++i)
            y.data[i] += x.values[static_cast<std::size_t>(i)] - normalised.data[i];
          return fewstep::images<TestType>{y.data, x.extents};
        },
        [&](auto& p, const fewstep::images<TestType>& gy) {
          const auto g = layer.backward(p, fewstep::pixels<const TestType>(gy), tape);
          for (index_t i = 0; i < gy.size(); ++i) g.x.data[i] -= gy.data[i];
          const auto gx = norm.backward(p, fewstep::images<const TestType>{g.x.data, x.extents}, norm_tape);
          for (index_t i = 0; i < gy.size(); ++i) gx.data[i] += gy.data[i];
          return gradients<TestType>{to_vector(gx), to_vector(g.context)};
        });
  }
}

TEMPLATE_TEST_CASE("cross_attention of rows agrees with PyTorch", "", float, double) {
  for (const index_t heads : {1, 4}) {
    const std::string name = "cross_attention_rows_" + std::to_string(heads);
    network_fixture<TestType> fixture;
    const fewstep::cross_attention<TestType> layer(fixture.layout, name, 16, 6, heads);
    const auto x = layers().rows<TestType, 3>(name + ".x"), context = layers().rows<TestType, 3>(name + ".context");
    typename fewstep::cross_attention<TestType>::tape tape;
    check_case(
        fixture, name, {"x", "context"},
        [&](auto& p) {
          const auto y = layer.forward(p, 2, {x.values.data(), {14, 16}}, {context.values.data(), {10, 6}}, tape);
          for (index_t i = 0; i < y.size(); ++i) y.data[i] -= x.values[static_cast<std::size_t>(i)];
          return y;
        },
        [&](auto& p, const fewstep::matrix<TestType>& gy) {
          const auto g = layer.backward(p, gy, tape);
          for (index_t i = 0; i < gy.size(); ++i) g.x.data[i] -= gy.data[i];
          return gradients<TestType>{to_vector(g.x), to_vector(g.context)};
        });
  }
}

TEMPLATE_TEST_CASE("residual_block agrees with PyTorch", "", float, double) {
  for (const bool projected : {false, true}) {
    const std::string name = projected ? "residual_block_projected" : "residual_block";
    network_fixture<TestType> fixture;
    const fewstep::residual_block<TestType> block(fixture.layout, name, projected ? 24 : 16, 16, 8, 8);
    const auto x = layers().images<TestType>(name + ".x");
    const auto e = layers().rows<TestType, 2>(name + ".e");
    typename fewstep::residual_block<TestType>::tape tape;
    check_case(
        fixture, name, {"x", "e"}, [&](auto& p) { return block.forward(p, x, e, tape); },
        [&](auto& p, const auto& gy) {
          std::vector<TestType> g(e.values.size());
          const auto gx = block.backward(p, gy, fewstep::matrix<TestType>{g.data(), e.extents}, tape);
          return gradients<TestType>{to_vector(gx), g};
        });
  }
}

TEMPLATE_TEST_CASE("up-sampling and pixel shuffles agree with PyTorch", "", float, double) {
  network_fixture<TestType> fixture;
  const auto check = [&](const std::string& name, const auto& forward, const auto& backward) {
    const auto x = layers().images<TestType>(name + ".x");
    check_case(
        fixture, name, {"x"}, [&](auto& p) { return forward(p, x.view()); },
        [&](auto& p, const fewstep::images<const TestType>& gy) {
          return gradients<TestType>{to_vector(backward(p, gy))};
        });
  };
  const auto shuffle = [](auto& p, const auto& x) { return fewstep::pixel_shuffle<TestType>(p, x, 2); };
  const auto unshuffle = [](auto& p, const auto& x) { return fewstep::pixel_unshuffle<TestType>(p, x, 2); };
  check("pixel_shuffle2", shuffle, unshuffle);
  check("pixel_unshuffle2", unshuffle, shuffle);
  check(
      "upsample_nearest2", [](auto& p, const auto& x) { return fewstep::upsample_nearest<TestType>(p, x); },
      [](auto& p, const auto& gy) { return fewstep::upsample_nearest_backward<TestType>(p, gy); });
}

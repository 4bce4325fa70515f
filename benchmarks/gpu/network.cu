// SPDX-License-Identifier: Apache-2.0
// The operations of a network at the shapes of the default U-Net: 32 x 32 pictures whose 2 x 2 patches are packed, so
// 16 x 16 and 8 x 8 positions, widths 48 and 96; batches of 64 (a rollout) and 192 (three replayed steps).
//   conv2d/*       forward, gradient of the input, gradient of weight and bias
//   product/*      rows of positions times a weight, and the gradients
//   attention/*    one head over 8 x 8 positions
//   group_norm/*   with SiLU and a conditioned scale and shift
// Convolutions and products in every compute type, and with fewstep's own kernels in place of the library's ("own");
// the others compute in float32.
// of_peak compares with cuBLASLt's rate of a large product in the same compute type, of_copy with a copy that touches
// as many bytes. Launched in a graph, on the same arrays every time.
#include "timing.cuh"

#include "compiled_kernels/kernels.cuh"
#include "compiled_kernels/kernels.hpp"

#include <fewstep/backend/operation_shapes.hpp>

namespace gpu {

namespace {

constexpr launched how = launched::as_graph;

/// state's arguments are batch, side, channels in and out, stride.
template <class Backend>
struct convolution {
  Backend backend;
  conv2d_shape shape;
  tensor<float, 1, Backend> x, y, weight, bias;

  convolution(Backend device, const benchmark::State& state)
      : backend(std::move(device)),
        shape{state.range(0), state.range(1), state.range(1), state.range(2), state.range(3), 3, state.range(4)},
        x(filled(backend, shape.samples * shape.height * shape.width * shape.in_channels)),
        y(filled(backend, shape.samples * shape.out_height() * shape.out_width() * shape.out_channels)),
        weight(filled(backend, 9 * shape.in_channels * shape.out_channels)),
        bias(filled(backend, shape.out_channels)) {}

  [[nodiscard]] work figures(const arithmetic& a) const {
    const auto bytes = sizeof(float) * static_cast<double>(x.size() + y.size() + weight.size());
    return {.items = static_cast<double>(shape.samples),
            .bytes = bytes,
            .operations = 2.0 * 9.0 * static_cast<double>(y.size() * shape.in_channels),
            .set = bytes,
            .peak = matrix_rate(a.compute)};
  }
};

template <class Backend>
void convolve(benchmark::State& state, const arithmetic& a) {
  convolution<Backend> c(make_backend(a), state);
  run(state, c.backend, c.figures(a), how, 1, [&](index_t) {
    conv2d_forward(c.backend.executor(0), c.shape, c.x.data(), c.weight.data(), nullptr, c.bias.data(), nullptr,
                   c.y.data());
  });
}

template <class Backend>
void convolve_backward_input(benchmark::State& state, const arithmetic& a) {
  convolution<Backend> c(make_backend(a), state);
  run(state, c.backend, c.figures(a), how, 1, [&](index_t) {
    conv2d_backward_input(c.backend.executor(0), c.shape, c.y.data(), c.weight.data(), nullptr, c.x.data());
  });
}

template <class Backend>
void convolve_backward_weight(benchmark::State& state, const arithmetic& a) {
  convolution<Backend> c(make_backend(a), state);
  run(state, c.backend, c.figures(a), how, 1, [&](index_t) {
    conv2d_backward_weight(c.backend.executor(0), c.shape, c.x.data(), c.y.data(), c.weight.data(), c.bias.data());
  });
}

/// x[M, K], w[K, N], y[M, N]; state's arguments are M, K, N.
template <class Backend>
struct matrices {
  Backend backend;
  index_t m, k, n;
  tensor<float, 1, Backend> values_x, values_w, values_y;

  matrices(Backend device, const benchmark::State& state)
      : backend(std::move(device)),
        m(state.range(0)),
        k(state.range(1)),
        n(state.range(2)),
        values_x(filled(backend, m * k)),
        values_w(filled(backend, k * n)),
        values_y(filled(backend, m * n)) {}

  [[nodiscard]] matrix<float> x() { return {values_x.data(), {m, k}}; }
  [[nodiscard]] matrix<float> w() { return {values_w.data(), {k, n}}; }
  [[nodiscard]] matrix<float> y() { return {values_y.data(), {m, n}}; }
  [[nodiscard]] work figures(const arithmetic& a) const {
    const auto bytes = sizeof(float) * static_cast<double>(m * k + k * n + m * n);
    return {.items = static_cast<double>(m),
            .bytes = bytes,
            .operations = 2.0 * static_cast<double>(m * k * n),
            .set = bytes,
            .peak = matrix_rate(a.compute)};
  }
};

template <class Backend>
void multiply(benchmark::State& state, const arithmetic& a) {
  matrices<Backend> all(make_backend(a), state);
  run(state, all.backend, all.figures(a), how, 1,
      [&](index_t) { product(all.backend.executor(0), all.x(), all.w(), all.y()); });
}

template <class Backend>
void multiply_transposed(benchmark::State& state, const arithmetic& a) {
  matrices<Backend> all(make_backend(a), state);
  run(state, all.backend, all.figures(a), how, 1,
      [&](index_t) { product_nt(all.backend.executor(0), all.y(), all.w(), all.x()); });
}

template <class Backend>
void add_weight_gradient(benchmark::State& state, const arithmetic& a) {
  matrices<Backend> all(make_backend(a), state);
  run(state, all.backend, all.figures(a), how, 1,
      [&](index_t) { product_tn_add(all.backend.executor(0), all.x(), all.y(), all.w()); });
}

/// Queries, keys and values side by side in rows of 3 C, as a self-attention has them; state's arguments are batch,
/// positions, channels.
template <class Backend>
struct attended {
  Backend backend;
  attention_shape shape;
  tensor<float, 1, Backend> qkv, gradients, probabilities, y;

  explicit attended(const benchmark::State& state)
      : shape{state.range(0), state.range(1), state.range(1), 1, state.range(2)},
        qkv(filled(backend, 3 * values())),
        gradients(backend, {3 * values()}),
        probabilities(backend, {shape.samples * shape.queries * shape.keys}),
        y(filled(backend, values())) {}

  [[nodiscard]] index_t values() const { return shape.samples * shape.queries * shape.channels(); }
  /// Queries, keys or values (0, 1, 2).
  [[nodiscard]] strided_rows<float> part(tensor<float, 1, Backend>& array, int which) const {
    return {array.data() + which * shape.channels(), 3 * shape.channels()};
  }
  [[nodiscard]] work figures(int products, int arrays) const {
    const auto bytes = sizeof(float) * static_cast<double>(arrays * values() + probabilities.size());
    return {.items = static_cast<double>(shape.samples),
            .bytes = bytes,
            .operations = 2.0 * products * static_cast<double>(probabilities.size() * shape.width),
            .set = bytes,
            .copied = bytes,
            .peak = matrix_rate(compute_type::float32)};
  }
};

template <class Backend>
void attend(benchmark::State& state) {
  attended<Backend> t(state);
  run(state, t.backend, t.figures(2, 4), how, 1, [&](index_t) {
    attention_forward(t.backend.executor(0), t.shape, t.part(t.qkv, 0), t.part(t.qkv, 1), t.part(t.qkv, 2),
                      t.probabilities.data(), t.y.data());
  });
}

template <class Backend>
void attend_backward(benchmark::State& state) {
  attended<Backend> t(state);
  attention_forward(t.backend.executor(0), t.shape, t.part(t.qkv, 0), t.part(t.qkv, 1), t.part(t.qkv, 2),
                    t.probabilities.data(), t.y.data());
  run(state, t.backend, t.figures(4, 7), how, 1, [&](index_t) {
    attention_backward(t.backend.executor(0), t.shape, t.part(t.qkv, 0), t.part(t.qkv, 1), t.part(t.qkv, 2),
                       t.probabilities.data(), t.y.data(), t.part(t.gradients, 0), t.part(t.gradients, 1),
                       t.part(t.gradients, 2));
  });
}

/// state's arguments are batch, positions, channels.
template <class Backend>
struct normalised {
  Backend backend;
  group_norm_shape shape;
  tensor<float, 1, Backend> x, y, gx, gain, offset, scale_shift, gain_gradient, offset_gradient, scale_shift_gradient;
  tensor<norm_statistics<float>, 1, Backend> statistics;

  explicit normalised(const benchmark::State& state)
      : shape{state.range(0), state.range(1), state.range(2), 8, activation::silu},
        x(filled(backend, values())),
        y(filled(backend, values())),
        gx(backend, {values()}),
        gain(filled(backend, shape.channels)),
        offset(filled(backend, shape.channels)),
        scale_shift(filled(backend, 2 * shape.samples * shape.channels)),
        gain_gradient(backend, {shape.channels}),
        offset_gradient(backend, {shape.channels}),
        scale_shift_gradient(backend, {2 * shape.samples * shape.channels}),
        statistics(backend, {shape.samples * shape.groups}) {}

  [[nodiscard]] index_t values() const { return shape.samples * shape.positions * shape.channels; }
  [[nodiscard]] work figures(int arrays) const {
    const auto bytes = sizeof(float) * static_cast<double>(arrays * values());
    return {.items = static_cast<double>(shape.samples), .bytes = bytes, .set = bytes, .copied = bytes};
  }
  void forward() {
    group_norm_forward(backend.executor(0), shape, x.data(), gain.data(), offset.data(), scale_shift.data(),
                       statistics.data(), y.data());
  }
};

template <class Backend>
void normalise(benchmark::State& state) {
  normalised<Backend> n(state);
  run(state, n.backend, n.figures(2), how, 1, [&](index_t) { n.forward(); });
}

template <class Backend>
void normalise_backward(benchmark::State& state) {
  normalised<Backend> n(state);
  n.forward();
  run(state, n.backend, n.figures(3), how, 1, [&](index_t) {
    group_norm_backward(n.backend.executor(0), n.shape, n.x.data(), n.gain.data(), n.offset.data(),
                        n.scale_shift.data(), n.statistics.data(), n.y.data(), nullptr, n.gx.data(),
                        n.gain_gradient.data(), n.offset_gradient.data(), n.scale_shift_gradient.data());
  });
}

/// Each of the shapes after each of the batches, times `rows`.
argument_lists batches_of(const argument_lists& shapes, std::int64_t rows = 1) {
  argument_lists all;
  for (const std::int64_t batch : {64, 192})
    for (std::vector<std::int64_t> shape : shapes) {
      shape.insert(shape.begin(), batch * rows);
      all.push_back(std::move(shape));
    }
  return all;
}

[[maybe_unused]] const bool registered = [] {
  using state_type = benchmark::State;
  const auto convolutions =
      batches_of({{16, 12, 48, 1}, {16, 48, 48, 1}, {16, 96, 48, 1}, {16, 48, 96, 2}, {8, 96, 96, 1}, {16, 48, 12, 1}});
  const std::vector<std::string> of_convolution{"batch", "side", "in", "out", "stride"};
  // Skips and attention at the positions, then what is done once for each picture.
  argument_lists products = batches_of({{96, 48}}, 16 * 16);
  for (const argument_lists& more : {batches_of({{96, 288}, {96, 96}}, 8 * 8), batches_of({{128, 192}, {128, 128}})})
    products.insert(products.end(), more.begin(), more.end());

  for (const arithmetic& a : arithmetics()) {
    const auto add_one = [&a](const char* name, const std::vector<std::string>& names, const argument_lists& all,
                              const std::vector<std::int64_t>& small, void (*body)(state_type&, const arithmetic&)) {
      add(message(name, '/', a.name), names, all, small, [a, body](state_type& state) { body(state, a); });
    };
    const std::vector<std::int64_t> convolution{2, 4, 3, 5, 1}, few{3, 5, 7};
    add_one("conv2d/forward", of_convolution, convolutions, convolution, convolve<backend_type>);
    add_one("conv2d/backward_input", of_convolution, convolutions, convolution, convolve_backward_input<backend_type>);
    add_one("conv2d/backward_weight", of_convolution, convolutions, convolution,
            convolve_backward_weight<backend_type>);
    add_one("product/forward", {"M", "K", "N"}, products, few, multiply<backend_type>);
    add_one("product/backward_input", {"M", "K", "N"}, products, few, multiply_transposed<backend_type>);
    add_one("product/backward_weight", {"M", "K", "N"}, products, few, add_weight_gradient<backend_type>);
  }
  const std::vector<std::string> of_positions{"batch", "positions", "channels"};
  const auto attentions = batches_of({{64, 96}}), norms = batches_of({{256, 48}, {256, 96}, {64, 96}});
  add("attention/forward", of_positions, attentions, {3, 5, 7}, attend<backend_type>);
  add("attention/backward", of_positions, attentions, {3, 5, 7}, attend_backward<backend_type>);
  add("group_norm/forward", of_positions, norms, {2, 5, 16}, normalise<backend_type>);
  add("group_norm/backward", of_positions, norms, {2, 5, 16}, normalise_backward<backend_type>);
  return true;
}();

}  // namespace

}  // namespace gpu

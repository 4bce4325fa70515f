// SPDX-License-Identifier: Apache-2.0
#include "cuda/support.cuh"

#include <fewstep/backend/cpu/conv2d.hpp>
#include <fewstep/cuda/conv2d.cuh>
#include <fewstep/cuda/cublas.cuh>
#include <fewstep/cuda/gathered_conv2d.cuh>
#include <fewstep/cuda/product.cuh>

#include <array>
#include <stdexcept>

using namespace fewstep;
using namespace fewstep::test;

namespace {

using floats = std::vector<float>;

std::size_t size(index_t n) { return static_cast<std::size_t>(n); }

/// What a product_call asks for, element by element.
void row_major_reference(const detail::product_call& p) {
  for (index_t batch = 0; batch < p.batches; ++batch)
    for (index_t head = 0; head < p.heads; ++head) {
      const float* a = p.a + batch * p.stride_a + head * p.head_a;
      const float* b = p.b + batch * p.stride_b + head * p.head_b;
      float* c = p.c + batch * p.stride_c + head * p.head_c;
      for (index_t i = 0; i < p.m; ++i)
        for (index_t j = 0; j < p.n; ++j) {
          float sum = p.accumulate ? c[i * p.ldc + j] : 0;
          for (index_t l = 0; l < p.k; ++l)
            sum +=
                a[p.a_transposed ? l * p.lda + i : i * p.lda + l] * b[p.b_transposed ? j * p.ldb + l : l * p.ldb + j];
          c[i * p.ldc + j] = p.bias != nullptr ? sum + p.bias[j] : sum;
        }
    }
}

/// What the library does with a column_major_product, element by element.
void column_major_reference(const detail::column_major_product& p) {
  const auto& s = p.shape;
  for (index_t batch = 0; batch < s.batches; ++batch) {
    const float* a = p.a + batch * s.stride_a;
    const float* b = p.b + batch * s.stride_b;
    float* c = p.c + batch * s.stride_c;
    for (index_t j = 0; j < s.n; ++j)
      for (index_t i = 0; i < s.m; ++i) {
        float sum = s.accumulate ? c[i + j * s.ldc] : 0;
        for (index_t l = 0; l < s.k; ++l)
          sum += b[s.b_transposed ? j + l * s.ldb : l + j * s.ldb] * a[s.a_transposed ? l + i * s.lda : i + l * s.lda];
        c[i + j * s.ldc] = s.bias ? sum + p.bias[i] : sum;
      }
  }
}

/// A linear layer's product of `rows` rows, a[rows, k] b[k, n].
detail::product_call layer(index_t rows, index_t k, index_t n) {
  return {.m = rows, .k = k, .n = n, .lda = k, .ldb = n, .ldc = n};
}

detail::column_major_shape key_of(const detail::product_call& call) {
  return detail::canonical(detail::column_major(call).shape);
}

/// An address with this remainder.
const float* aligned(int bytes) { return reinterpret_cast<const float*>(std::uintptr_t{4096} + size(bytes)); }

}  // namespace

TEST_CASE("a row-major product is the library's column-major one with the operands swapped", "[cuda]") {
  constexpr index_t m = 5, k = 3, n = 4, padding = 2;
  for (int bits = 0; bits < 32; ++bits) {
    const auto is = [&](int bit) { return (bits >> bit & 1) != 0; };
    const index_t batches = is(4) ? 3 : 1, heads = is(4) ? 2 : 1;
    CAPTURE(bits);
    detail::product_call call{.m = m,
                              .k = k,
                              .n = n,
                              .lda = (is(0) ? m : k) * heads + padding,
                              .a_transposed = is(0),
                              .ldb = (is(1) ? k : n) * heads + padding,
                              .b_transposed = is(1),
                              .ldc = n * heads + padding,
                              .accumulate = is(2)};
    const index_t of_a = (is(0) ? k : m) * call.lda, of_b = (is(1) ? n : k) * call.ldb, of_c = m * call.ldc;
    if (is(4)) {
      call.batches = batches;
      call.stride_a = of_a + 1;
      call.stride_b = of_b;
      call.stride_c = of_c + 3;
      call.heads = heads;
      call.head_a = is(0) ? m : k;
      call.head_b = is(1) ? k : n;
      call.head_c = n;
    }
    const auto a = normals<float>(batches * (of_a + 1), 1), b = normals<float>(batches * of_b, 2),
               bias = normals<float>(n, 3), start = normals<float>(batches * (of_c + 3), 4);
    call.a = a.data();
    call.b = b.data();
    if (is(3)) call.bias = bias.data();
    auto expected = start, actual = start;
    call.c = expected.data();
    row_major_reference(call);
    call.c = actual.data();
    for (index_t head = 0; head < heads; ++head) column_major_reference(detail::column_major(call, head));
    CHECK(same_bits(actual, expected));
  }
}

TEST_CASE("an algorithm is chosen by what a product is per row", "[cuda]") {
  CHECK(key_of(layer(1, 64, 32)) == key_of(layer(1000, 64, 32)));
  CHECK(key_of(layer(7, 64, 32)) != key_of(layer(7, 64, 48)));
  CHECK(key_of(layer(7, 64, 32)) != key_of(layer(7, 60, 32)));

  auto gradient = layer(64, 500, 32), longer = layer(64, 7, 32);
  for (auto* call : {&gradient, &longer}) {
    call->a_transposed = true;
    call->lda = 64;
  }
  CHECK(key_of(gradient) == key_of(longer));
  CHECK(key_of(gradient) != key_of(layer(64, 500, 32)));

  auto attention = layer(16, 8, 16), more = attention;
  for (auto* call : {&attention, &more}) call->stride_a = call->stride_b = call->stride_c = 256;
  more.batches = 9;
  CHECK(key_of(attention) == key_of(more));
  attention.m = 15;
  CHECK(key_of(attention) != key_of(more));

  auto with_bias = layer(7, 64, 32), added = with_bias;
  with_bias.bias = aligned(0);
  added.accumulate = true;
  CHECK(key_of(with_bias) != key_of(layer(7, 64, 32)));
  CHECK(key_of(added) != key_of(layer(7, 64, 32)));
}

TEST_CASE("an array's alignment is that of all its rows", "[cuda]") {
  CHECK(detail::common_alignment(aligned(0), index_t{8}, index_t{0}) == 16);
  CHECK(detail::common_alignment(aligned(0), index_t{6}) == 8);
  CHECK(detail::common_alignment(aligned(24), index_t{6}) == 8);
  CHECK(detail::common_alignment(aligned(0), index_t{7}) == 4);
  CHECK(detail::common_alignment(aligned(28), index_t{7}) == 4);
  CHECK(detail::common_alignment(aligned(4), index_t{8}) == 4);
  CHECK(detail::common_alignment(aligned(0), index_t{8}, index_t{2}) == 8);
}

TEST_CASE("own kernels compute what a library does badly", "[cuda]") {
  emulated_device device;
  const device_executor executor(device, compute_type::float32, product_kernels::library);
  CHECK(executor.uses_library(layer(1, 64, 32)));
  CHECK(!executor.uses_library(layer(1000, 64, 1)));
  CHECK(!executor.uses_library(layer(1000, 3, 64)));
  auto gradient = layer(64, 100000, 32);
  gradient.a_transposed = true;
  CHECK(!executor.uses_library(gradient));
  gradient.k = 512;  // in chunks
  gradient.stride_c = 64 * 32;
  CHECK(executor.uses_library(gradient));
  CHECK(!device_executor(device, compute_type::tf32, product_kernels::own).uses_library(layer(1, 64, 32)));
  CHECK(device_executor(device, compute_type::tf32).uses_library(layer(1, 64, 32)));
  CHECK(!device_executor(device).uses_library(layer(1, 64, 32)));
}

namespace {

const std::vector<conv2d_shape> convolutions{
    {.samples = 3, .height = 5, .width = 4, .in_channels = 8, .out_channels = 12},
    {.samples = 1, .height = 1, .width = 1, .in_channels = 1, .out_channels = 1},
    {.samples = 2, .height = 7, .width = 5, .in_channels = 3, .out_channels = 5, .kernel = 5},
    {.samples = 2, .height = 6, .width = 7, .in_channels = 4, .out_channels = 3, .kernel = 3, .stride = 2},
    {.samples = 2, .height = 5, .width = 5, .in_channels = 4, .out_channels = 8, .kernel = 1, .stride = 2},
    {.samples = 2, .height = 3, .width = 5, .in_channels = 4, .out_channels = 8, .kernel = 1},
};

/// Patches as patch_grid says what they are.
floats expected_patches(const detail::patch_grid& g, const floats& pictures, index_t samples) {
  floats patches;
  for (index_t n = 0; n < samples; ++n)
    for (int row = 0; row < g.rows; ++row)
      for (int column = 0; column < g.columns; ++column)
        for (int ky = 0; ky < g.kernel; ++ky)
          for (int kx = 0; kx < g.kernel; ++kx)
            for (int c = 0; c < g.channels; ++c) {
              float value = 0;
              for (int y = 0; y < g.height; ++y)
                for (int x = 0; x < g.width; ++x) {
                  const bool meets =
                      g.turned ? y * g.stride - g.padding + ky == row && x * g.stride - g.padding + kx == column
                               : row * g.stride - g.padding + ky == y && column * g.stride - g.padding + kx == x;
                  if (meets) value = pictures[size(n * g.picture() + (y * g.width + x) * g.channels + c)];
                }
              patches.push_back(value);
            }
  return patches;
}

}  // namespace

TEMPLATE_LIST_TEST_CASE("patches are gathered group by group", "[cuda]", devices) {
  for (const auto& s : convolutions)
    for (const bool turned : {false, true})
      for (const index_t room : {index_t{1}, index_t{700}, detail::gathered_elements}) {
        const auto grid = turned ? detail::patches_of_inputs(s) : detail::patches_of_outputs(s);
        CAPTURE(s.height, s.kernel, s.stride, turned, room);
        const auto pictures = normals<float>(s.samples * grid.picture(), 1);
        const auto expected = expected_patches(grid, pictures, s.samples);
        const index_t offset = room == 700 ? 1 : 0;
        floats shifted(size(offset), 0.0f);
        shifted.insert(shifted.end(), pictures.begin(), pictures.end());
        TestType backend;
        const auto source = to_device(backend, shifted);
        floats actual;
        detail::for_each_gathered(
            backend.executor(0), grid, s.samples, source.data() + offset,
            [&](const float* patches, index_t first, index_t count) {
              CHECK(first * grid.patch() == static_cast<index_t>(actual.size()));
              CHECK((count * grid.patch() <= room || count == 1));
              CHECK((first % grid.pixels() + count <= grid.pixels() || count % grid.pixels() == 0));
              const auto group = to_host(backend, patches, count * grid.patch());
              actual.insert(actual.end(), group.begin(), group.end());
            },
            room);
        CHECK(same_bits(actual, expected));
      }
}

TEMPLATE_LIST_TEST_CASE("convolutions of gathered patches agree with those of the CPU", "[cuda]", devices) {
  for (const auto& s : convolutions) {
    CAPTURE(s.height, s.kernel, s.stride);
    const index_t inputs = s.samples * s.height * s.width * s.in_channels;
    const index_t outputs = s.samples * s.out_height() * s.out_width() * s.out_channels;
    const index_t weights = s.kernel * s.kernel * s.in_channels * s.out_channels;
    const auto x = normals<float>(inputs, 1), w = normals<float>(weights, 2), w_t = normals<float>(weights, 3),
               bias = normals<float>(s.out_channels, 4), added = normals<float>(outputs, 5),
               gy = normals<float>(outputs, 6);
    cpu_backend cpu;
    auto& reference = cpu.executor(0);
    floats y(size(outputs)), plain(size(outputs)), gx(size(inputs)), gw = w_t, gb = bias;
    conv2d_forward(reference, s, x.data(), w.data(), nullptr, bias.data(), added.data(), y.data());
    conv2d_forward(reference, s, x.data(), w.data(), nullptr, bias.data(), nullptr, plain.data());
    conv2d_backward_input(reference, s, gy.data(), w_t.data(), nullptr, gx.data());
    conv2d_backward_weight(reference, s, x.data(), gy.data(), gw.data(), gb.data());

    in_every_order<TestType>([&](TestType& backend) {
      auto& executor = backend.executor(0);
      const auto dx = to_device(backend, x), dw = to_device(backend, w), dw_t = to_device(backend, w_t),
                 dbias = to_device(backend, bias), dadded = to_device(backend, added), dgy = to_device(backend, gy);
      auto dy = to_device(backend, floats(size(outputs))), dgx = to_device(backend, floats(size(inputs)));
      auto dgw = to_device(backend, w_t), dgb = to_device(backend, bias);
      // Sums of some hundred products in another order than the CPU's.
      constexpr double tolerance = 2e-6;
      floats all;
      const auto compare = [&](const auto& array, const floats& expected) {
        const auto values = to_host(backend, array);
        CHECK(relative_error(values, expected) < tolerance);
        all.insert(all.end(), values.begin(), values.end());
      };
      detail::conv2d_forward_gathered(executor, s, dx.data(), dw.data(), dbias.data(), nullptr, dy.data());
      compare(dy, plain);
      detail::conv2d_forward_gathered(executor, s, dx.data(), dw.data(), dbias.data(), dadded.data(), dy.data());
      compare(dy, y);
      detail::conv2d_backward_input_gathered(executor, s, dgy.data(), dw_t.data(), dgx.data());
      compare(dgx, gx);
      detail::conv2d_backward_weight_gathered(executor, s, dx.data(), dgy.data(), dgw.data(), dgb.data());
      compare(dgw, gw);
      compare(dgb, gb);
      return all;
    });
  }
}

namespace {

/// One element of a column-major product of a batch.
struct library_element {
  detail::column_major_product p;
  FEWSTEP_HD void operator()(index_t index) const {
    const auto& s = p.shape;
    const index_t batch = index / (s.m * s.n), j = index / s.m % s.n, i = index % s.m;
    const float* a = p.a + batch * s.stride_a;
    const float* b = p.b + batch * s.stride_b;
    float& c = p.c[batch * s.stride_c + j * s.ldc + i];
    float sum = s.accumulate ? c : 0;
    for (index_t l = 0; l < s.k; ++l)
      sum += b[s.b_transposed ? j + l * s.ldb : l + j * s.ldb] * a[s.a_transposed ? l + i * s.lda : i + l * s.lda];
    c = s.bias ? sum + p.bias[i] : sum;
  }
};

/// The emulation with a library: what is left to it is as it should be.
class device_with_library : public emulated_device {
 public:
  using emulated_device::emulated_device;
  struct products {
    device_with_library* device;
    int calls = 0;
    bool has_algorithms = true;
    bool takes(compute_type, const detail::product_call&) const { return has_algorithms; }
    void run(compute_type, const detail::product_call& call) {
      ++calls;
      for (index_t head = 0; head < call.heads; ++head) {
        const auto p = detail::column_major(call, head);
        const auto map = detail::map_of(p.shape.m * p.shape.n * p.shape.batches, library_element{p});
        device->launch((map.n + map.per_block - 1) / map.per_block, map);
      }
    }
  };
  [[nodiscard]] products& library() { return library_; }

 private:
  products library_{this};
};
using backend_with_library = device_backend<device_with_library>;

}  // namespace

TEST_CASE("a gradient is summed by a library in chunks", "[cuda]") {
  constexpr index_t k = 9, n = 12, chunk = 512;
  REQUIRE(detail::gradient_chunk(k, n) == chunk);
  for (const index_t m : {index_t{5}, chunk, 2 * chunk, 2 * chunk + 77}) {
    CAPTURE(m);
    const auto x = normals<float>(m * k, 1), g = normals<float>(m * n, 2), start = normals<float>(k * n, 3);
    cpu_backend cpu;
    auto expected = start;
    product_tn_add(cpu.executor(0), matrix<const float>{x.data(), {m, k}}, matrix<const float>{g.data(), {m, n}},
                   matrix<float>{expected.data(), {k, n}});
    backend_with_library backend({.compute = compute_type::tf32});
    const auto dx = to_device(backend, x), dg = to_device(backend, g);
    auto dw = to_device(backend, start);
    product_tn_add(backend.executor(0), matrix<const float>{dx.data(), {m, k}}, matrix<const float>{dg.data(), {m, n}},
                   matrix<float>{dw.data(), {k, n}});
    CHECK(relative_error(to_host(backend, dw), expected) < 2e-6);  // other orders of up to 1101 products
    CHECK(backend.device().library().calls == (m >= chunk ? 1 : 0) + (m % chunk != 0 ? 1 : 0));
  }
}

TEST_CASE("own kernels compute what a library has no algorithm for", "[cuda]") {
  constexpr index_t m = 600, k = 9, n = 12;
  const auto x = normals<float>(m * k, 1), w = normals<float>(k * n, 2), g = normals<float>(m * n, 3);
  const auto run = [&](auto& backend) {
    auto& executor = backend.executor(0);
    const auto dx = to_device(backend, x), dw = to_device(backend, w), dg = to_device(backend, g);
    auto y = to_device(backend, g), gradient = to_device(backend, w);
    product(executor, matrix<const float>{dx.data(), {m, k}}, matrix<const float>{dw.data(), {k, n}},
            matrix<float>{y.data(), {m, n}});
    product_tn_add(executor, matrix<const float>{dx.data(), {m, k}}, matrix<const float>{dg.data(), {m, n}},
                   matrix<float>{gradient.data(), {k, n}});
    return std::pair(to_host(backend, y), to_host(backend, gradient));
  };
  emulated_backend own;
  backend_with_library library({.compute = compute_type::tf32});
  library.device().library().has_algorithms = false;
  CHECK(run(library) == run(own));
  CHECK(library.device().library().calls == 0);
  library.device().library().has_algorithms = true;
  (void)run(library);
  CHECK(library.device().library().calls > 0);
}

TEST_CASE("a library computes convolutions of compute types other than float32", "[cuda]") {
  // A picture of more pixels than a chunk, pictures of fewer, and a filter of one pixel.
  for (const auto& s :
       {conv2d_shape{.samples = 2, .height = 23, .width = 24, .in_channels = 8, .out_channels = 8},
        conv2d_shape{.samples = 9, .height = 9, .width = 8, .in_channels = 4, .out_channels = 12},
        conv2d_shape{.samples = 2, .height = 4, .width = 5, .in_channels = 8, .out_channels = 8, .kernel = 1}}) {
    CAPTURE(s.height);
    const index_t inputs = s.samples * s.height * s.width * s.in_channels;
    const index_t outputs = s.samples * s.out_height() * s.out_width() * s.out_channels;
    const index_t weights = s.kernel * s.kernel * s.in_channels * s.out_channels;
    const auto x = normals<float>(inputs, 1), w = normals<float>(weights, 2), gy = normals<float>(outputs, 3),
               bias = normals<float>(s.out_channels, 4);
    const auto run = [&](auto& backend) {
      auto& executor = backend.executor(0);
      const auto dx = to_device(backend, x), dw = to_device(backend, w), dgy = to_device(backend, gy),
                 dbias = to_device(backend, bias);
      auto y = to_device(backend, floats(size(outputs))), gx = to_device(backend, floats(size(inputs))),
           gw = to_device(backend, floats(size(weights))), gb = to_device(backend, bias);
      conv2d_forward(executor, s, dx.data(), dw.data(), nullptr, dbias.data(), nullptr, y.data());
      conv2d_backward_input(executor, s, dgy.data(), dw.data(), nullptr, gx.data());
      conv2d_backward_weight(executor, s, dx.data(), dgy.data(), gw.data(), gb.data());
      return std::array{to_host(backend, y), to_host(backend, gx), to_host(backend, gw), to_host(backend, gb)};
    };
    emulated_backend own;
    backend_with_library library({.compute = compute_type::bf16});
    const auto expected = run(own), actual = run(library);
    for (std::size_t i = 0; i < expected.size(); ++i) CHECK(relative_error(actual[i], expected[i]) < 2e-6);
    CHECK(library.device().library().calls >= (s.in_channels < 8 ? 2 : 3));
  }
}

namespace {

struct precision {
  compute_type compute;
  double tolerance;  ///< of sums of products whose factors are rounded
};
constexpr precision precisions[] = {
    {compute_type::float32, 2e-6}, {compute_type::tf32, 2e-3}, {compute_type::bf16, 1e-2}};

}  // namespace

TEST_CASE("the library's products agree with the own kernels'", "[gpu]") {
  cuda_backend own({.products = product_kernels::own});
  for (const auto& [compute, tolerance] : precisions) {
    cuda_backend backend({.compute = compute, .products = product_kernels::library});
    for (const auto& [m, k, n] : {std::array<index_t, 3>{1, 64, 32}, {1000, 128, 96}, {77, 27, 50}, {513, 1152, 128}}) {
      CAPTURE(static_cast<int>(compute), m, k, n);
      const auto run = [&, m = m, k = k, n = n](cuda_backend& b) {
        auto& executor = b.executor(0);
        const auto x = to_device(b, normals<float>(m * k, 1)), w = to_device(b, normals<float>(k * n, 2)),
                   bias = to_device(b, normals<float>(n, 3)), g = to_device(b, normals<float>(m * n, 4));
        auto y = to_device(b, normals<float>(m * n, 5)), gx = to_device(b, normals<float>(m * k, 6)),
             gw = to_device(b, normals<float>(k * n, 7));
        const matrix<const float> xs{x.data(), {m, k}}, ws{w.data(), {k, n}}, gs{g.data(), {m, n}};
        product(executor, xs, ws, matrix<float>{y.data(), {m, n}}, true, bias.data());
        product_nt(executor, gs, ws, matrix<float>{gx.data(), {m, k}});
        product_tn_add(executor, xs, gs, matrix<float>{gw.data(), {k, n}});
        return std::array{to_host(b, y), to_host(b, gx), to_host(b, gw)};
      };
      const auto actual = run(backend), again = run(backend), expected = run(own);
      for (std::size_t i = 0; i < actual.size(); ++i) {
        CHECK(relative_error(actual[i], expected[i]) < tolerance);
        CHECK(same_bits(actual[i], again[i]));
      }
    }
  }
}

TEST_CASE("a row has the same bits in every batch and at every place", "[gpu]") {
  constexpr index_t most = 1000;
  for (const auto& [compute, tolerance] : precisions) {
    cuda_backend backend({.compute = compute, .products = product_kernels::library});
    auto& executor = backend.executor(0);
    for (const auto& [k, n] : {std::array<index_t, 2>{64, 64}, {128, 96}, {27, 50}, {1152, 128}, {70, 30}}) {
      CAPTURE(static_cast<int>(compute), k, n);
      const auto x = to_device(backend, normals<float>(most * k, 1)), w = to_device(backend, normals<float>(k * n, 2)),
                 bias = to_device(backend, normals<float>(n, 3));
      const auto rows = [&, k = k, n = n](index_t first, index_t count) {
        auto y = to_device(backend, floats(size(count * n)));
        product(executor, matrix<const float>{x.data() + first * k, {count, k}}, matrix<const float>{w.data(), {k, n}},
                matrix<float>{y.data(), {count, n}}, false, bias.data());
        return to_host(backend, y);
      };
      const auto whole = rows(0, most);
      for (const index_t count : {index_t{1}, index_t{7}, index_t{64}, index_t{333}})
        for (const index_t first : {index_t{0}, index_t{1}, index_t{130}}) {
          CAPTURE(first, count);
          const auto part = rows(first, count);
          CHECK(same_bits(part.data(), whole.data() + first * n, count * n));
        }
    }
  }
}

TEST_CASE("the first product of a shape is not recorded", "[gpu]") {
  cuda_backend backend({.compute = compute_type::tf32});
  const auto x = to_device(backend, normals<float>(16 * 64, 1)), w = to_device(backend, normals<float>(64 * 32, 2));
  auto y = to_device(backend, floats(16 * 32));
  const auto work = [&] {
    product(backend.executor(0), matrix<const float>{x.data(), {16, 64}}, matrix<const float>{w.data(), {64, 32}},
            matrix<float>{y.data(), {16, 32}});
  };
  CHECK_THROWS_AS((void)backend.device().record(work), std::logic_error);
  work();
  const auto expected = to_host(backend, y);
  const auto graph = backend.device().record(work);
  backend.device().fill_bytes(y.data(), 0, 16 * 32 * sizeof(float));
  backend.device().start(graph);
  CHECK(same_bits(to_host(backend, y), expected));
}

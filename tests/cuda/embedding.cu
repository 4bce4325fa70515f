// SPDX-License-Identifier: Apache-2.0
#include "cuda/support.cuh"

#include <fewstep/cuda/embedding.cuh>
#include <fewstep/generator/preconditioning.hpp>
#include <fewstep/generator/scale_rows.hpp>
#include <fewstep/nn/resample.hpp>

#include <algorithm>
#include <random>
#include <span>

using namespace fewstep;
using namespace fewstep::test;

namespace {

using values = std::vector<float>;

/// n texts of `length` tokens, a third of them padding; word `vocabulary` - 1 does not occur.
std::vector<std::int32_t> random_tokens(index_t n, index_t length, std::int32_t vocabulary) {
  std::mt19937 generator(7);
  std::uniform_int_distribution<std::int32_t> law(1 - vocabulary / 2, vocabulary - 2);
  std::vector<std::int32_t> tokens(static_cast<std::size_t>(n * length));
  for (auto& token : tokens) token = std::max(0, law(generator));
  return tokens;
}

/// What kernel(from, to) maps over rows, on the CPU row by row, and on a device column by column.
template <class Backend, class Kernel>
void check_columns(index_t rows, const values& from, std::size_t outputs, double tolerance, const Kernel& kernel) {
  cpu_executor cpu;
  values expected(outputs, -7.0f);
  cpu.for_each(rows, kernel(from.data(), expected.data()));
  in_every_order<Backend>([&](Backend& backend) {
    const auto x = to_device(backend, from);
    auto y = to_device(backend, values(outputs, -7.0f));
    const auto mapped = kernel(static_cast<const float*>(x.data()), y.data());
    static_assert(detail::has_columns<decltype(mapped)>);
    backend.executor(0).for_each(rows, mapped);
    const auto result = to_host(backend, y);
    if (tolerance > 0)
      CHECK(relative_error(result, expected) < tolerance);
    else
      CHECK(same_bits(result, expected));
    return result;
  });
}

}  // namespace

TEMPLATE_LIST_TEST_CASE("re-arrangements of pixels move the same values column by column", "[cuda]", devices) {
  const index_t n = 2, h = 3, w = 5;
  for (const index_t factor : {index_t{1}, index_t{2}, index_t{3}})
    for (const index_t c : {index_t{1}, index_t{3}}) {
      const index_t size = n * h * w * c * factor * factor;
      for (const bool to_deep : {true, false})
        check_columns<TestType>(n * h * w, normals<float>(size, 1), static_cast<std::size_t>(size), 0,
                                [&](const float* from, float* to) {
                                  return detail::pixel_rearrange<float>{from, to, h, w, c, factor, to_deep};
                                });
    }
  for (const index_t c : {index_t{1}, index_t{7}}) {
    const index_t size = n * h * w * c;
    check_columns<TestType>(n * h * w, normals<float>(size, 2), static_cast<std::size_t>(4 * size), 0,
                            [&](const float* from, float* to) {
                              return detail::repeat_pixels<float>{from, to, h, w, c};
                            });
    check_columns<TestType>(n * h * w, normals<float>(4 * size, 3), static_cast<std::size_t>(size), 0,
                            [&](const float* from, float* to) {
                              return detail::sum_pixels<float>{from, to, h, w, c};
                            });
  }
  check_columns<TestType>(
      n * h * w, normals<float>(n * h * w * 5, 4), static_cast<std::size_t>(n * h * w * 7), 0,
      [](const float* from, float* to) { return detail::copy_channels<float>{from, to, 1, 5, 2, 7, 3}; });
}

TEMPLATE_LIST_TEST_CASE("rows of embeddings and of scaled inputs are the same column by column", "[cuda]", devices) {
  // Rounded once where a processor contracts a product and a sum, twice elsewhere.
  constexpr double tolerance = 1e-6;
  const index_t n = 9, columns = 37;
  const values times{0.002f, 0.5f, 80.0f, 0.0f, 1.0f, 3.0f, 40.0f, 0.1f, 7.0f};
  TestType backend;
  const auto device_times = to_device(backend, times);
  cpu_executor cpu;
  const auto x = normals<float>(n * columns, 1);
  const auto frequencies = normals<float>(columns, 2, 6.0);

  values fourier(static_cast<std::size_t>(n * 2 * columns)), scaled(x.size());
  cpu.for_each(n, detail::fourier_waves<float>{{times.data(), {n}}, {frequencies.data(), {columns}}, fourier.data()});
  cpu.for_each(n, detail::scale_rows<edm_consistency>{
                      {x.data(), {n, columns}}, {times.data(), {n}}, {scaled.data(), {n, columns}}, {}});
  const auto device_x = to_device(backend, x), device_frequencies = to_device(backend, frequencies);
  auto device_waves = to_device(backend, values(fourier.size())), device_scaled = to_device(backend, x);
  backend.for_each(n, detail::fourier_waves<float>{
                          {device_times.data(), {n}}, {device_frequencies.data(), {columns}}, device_waves.data()});
  backend.for_each(
      n, detail::scale_rows<edm_consistency>{
             {device_x.data(), {n, columns}}, {device_times.data(), {n}}, {device_scaled.data(), {n, columns}}, {}});
  CHECK(relative_error(to_host(backend, device_waves), fourier) < tolerance);
  CHECK(relative_error(to_host(backend, device_scaled), scaled) < tolerance);

  const auto tokens = random_tokens(n, 6, 11);
  const auto table = normals<float>(11 * columns, 3);
  values sums(x.size());
  cpu.for_each(n, detail::sum_word_rows<float>{{tokens.data(), {n, 6}}, table.data(), {sums.data(), {n, columns}}});
  const auto device_tokens = to_device(backend, tokens);
  const auto device_table = to_device(backend, table);
  auto device_sums = to_device(backend, x);
  backend.for_each(n, detail::sum_word_rows<float>{
                          {device_tokens.data(), {n, 6}}, device_table.data(), {device_sums.data(), {n, columns}}});
  CHECK(relative_error(to_host(backend, device_sums), sums) < tolerance);
}

TEMPLATE_LIST_TEST_CASE("add_word_gradients adds in the order of the texts", "[cuda]", devices) {
  struct item {
    index_t n, length, width;
  };
  for (const auto [n, length, width] : {item{1, 1, 1}, item{5, 3, 33}, item{150, 9, 20}, item{4, 300, 300}}) {
    CAPTURE(n, length, width);
    const std::int32_t vocabulary = 9;
    const auto tokens = random_tokens(n, length, vocabulary);
    const auto gy = normals<float>(n * width, 1), start = normals<float>(vocabulary * width, 2);
    values expected = start;
    cpu_executor cpu;
    add_word_gradients(cpu, matrix<const std::int32_t>{tokens.data(), {n, length}},
                       matrix<const float>{gy.data(), {n, width}}, expected.data(), vocabulary);
    in_every_order<TestType>([&](TestType& backend) {
      const auto device_tokens = to_device(backend, tokens);
      const auto device_gy = to_device(backend, gy);
      const auto add = [&](const std::vector<index_t>& counts) {
        auto table = to_device(backend, start);
        index_t first = 0;
        for (const index_t count : counts) {
          add_word_gradients(
              backend.executor(0), matrix<const std::int32_t>{device_tokens.data() + first * length, {count, length}},
              matrix<const float>{device_gy.data() + first * width, {count, width}}, table.data(), vocabulary);
          first += count;
        }
        return to_host(backend, table);
      };
      const auto whole = add({n});
      CHECK(relative_error(whole, expected) < 1e-6);  // but for contractions it is the same sum
      CHECK(same_bits(whole.data(), start.data(), width));
      CHECK(same_bits(whole.data() + (vocabulary - 1) * width, start.data() + (vocabulary - 1) * width, width));
      if (n > 1) CHECK(same_bits(add({1, n - 1}), whole));
      return whole;
    });
  }
}

TEMPLATE_LIST_TEST_CASE("bag_of_words runs on a device, forward and backward", "[cuda]", devices) {
  parameter_layout layout;
  const bag_of_words<float> words(layout, "words", 6, 4);
  const std::vector<std::int32_t> tokens{1, 2, 0, 0, 0, 0, 3, 3, 5};
  const auto table = normals<float>(24, 1), gy = normals<float>(12, 2);
  const auto run = [&](auto& executor, const std::int32_t* t, const float* parameters, float* gradients,
                       const float* upstream, arena& memory) {
    typename bag_of_words<float>::tape kept;
    pass<float, std::remove_reference_t<decltype(executor)>> p{
        executor, {.parameters = parameters, .parameter_gradients = gradients}, memory};
    const auto y = words.forward(p, matrix<const std::int32_t>{t, {3, 3}}, kept);
    words.backward(p, matrix<const float>{upstream, {3, 4}}, kept);
    return y.data;
  };
  arena measured;
  dry_executor dry;
  (void)run(dry, nullptr, nullptr, nullptr, nullptr, measured);

  values host_y(12), gradient(24);
  cpu_executor cpu;
  cpu.for_each(3, detail::sum_word_rows<float>{{tokens.data(), {3, 3}}, table.data(), {host_y.data(), {3, 4}}});
  add_word_gradients(cpu, matrix<const std::int32_t>{tokens.data(), {3, 3}}, matrix<const float>{gy.data(), {3, 4}},
                     gradient.data(), 6);
  TestType backend;
  const auto device_tokens = to_device(backend, tokens);
  const auto device_table = to_device(backend, table), device_gy = to_device(backend, gy);
  auto device_gradient = to_device(backend, values(24));
  auto room = to_device(backend, std::vector<std::byte>(4096));
  arena memory(std::span(room.data(), 4096));
  const float* y = run(backend.executor(0), device_tokens.data(), device_table.data(), device_gradient.data(),
                       device_gy.data(), memory);
  CHECK(relative_error(to_host(backend, y, 12), host_y) < 1e-6);
  CHECK(relative_error(to_host(backend, device_gradient), gradient) < 1e-6);
}

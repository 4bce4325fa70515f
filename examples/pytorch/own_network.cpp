// SPDX-License-Identifier: Apache-2.0
// A network of one's own with the weights of a PyTorch module (own_network.py): own_network FILE
#include <fewstep/model_file/named_parameters.hpp>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdio>
#include <exception>
#include <span>
#include <string>
#include <vector>

int main(int count, char** argument) try {
  if (count != 2) return 2;
  //! [load]
  fewstep::parameter_layout layout;
  using fewstep::slice_kind;
  const auto hidden = layout.add("hidden.weight", slice_kind::linear, {3, 16}, 0, 1);  // in memory [in, out]
  const auto hidden_bias = layout.add_constant("hidden.bias", 16, 0);
  const auto out = layout.add("out.weight", slice_kind::linear, {16, 2}, 0, 1);
  const auto out_bias = layout.add_constant("out.bias", 2, 0);
  std::vector<float> parameters(static_cast<std::size_t>(layout.size()));

  const auto file = fewstep::safetensors_file::load(argument[1]);
  const auto left_over = fewstep::load_parameters(file, layout.slices(), fewstep::as_vec(std::span(parameters)),
                                                  {{"hidden.weight", "net.0.weight"},
                                                   {"hidden.bias", "net.0.bias"},
                                                   {"out.weight", "net.2.weight"},
                                                   {"out.bias", "net.2.bias"}});
  for (const auto& tensor : left_over) std::printf("no parameter takes '%s'\n", tensor.c_str());
  //! [load]

  const auto x = file.floats("x"), y = file.floats("y");
  const auto layer = [&](std::span<const float> from, fewstep::index_t weight, fewstep::index_t bias, std::size_t n) {
    std::vector<float> to(n);
    for (std::size_t o = 0; o < n; ++o) {
      to[o] = parameters[static_cast<std::size_t>(bias) + o];
      for (std::size_t i = 0; i < from.size(); ++i)
        to[o] += from[i] * parameters[static_cast<std::size_t>(weight) + i * n + o];
    }
    return to;
  };
  float difference = 0;
  for (std::size_t row = 0; row < 5; ++row) {
    auto h = layer(std::span(x).subspan(3 * row, 3), hidden, hidden_bias, 16);
    for (float& value : h) value = std::tanh(value);
    const auto answer = layer(h, out, out_bias, 2);
    for (std::size_t i = 0; i < 2; ++i) difference = std::max(difference, std::abs(answer[i] - y[2 * row + i]));
  }
  std::printf("largest difference from PyTorch: %.1e\n", static_cast<double>(difference));
  return difference < 1e-6f ? 0 : 1;
} catch (const std::exception& error) {
  std::fprintf(stderr, "own_network: %s\n", error.what());
  return 1;
}

// SPDX-License-Identifier: Apache-2.0
#include <fewstep/model_file/named_parameters.hpp>

#include "support/temporary_directory.hpp"
#include "test.hpp"

#include <limits>
#include <span>
#include <string>
#include <vector>

using fewstep::as_vec;
using fewstep::index_t;
using fewstep::parameter_layout;
using fewstep::safetensors_file;
using fewstep::safetensors_writer;
using fewstep::slice_kind;

namespace {

/// A linear layer of 3 to 2, a convolution of 1 to 2 with a kernel of 3, and a bias.
struct network {
  parameter_layout layout;
  std::vector<float> parameters;

  network() {
    layout.add("linear", slice_kind::linear, {3, 2}, 0, 0);
    layout.add("convolution", slice_kind::convolution, {3, 3, 1, 2}, 0, 0);
    layout.add_constant("bias", 2, 0);
    parameters.assign(static_cast<std::size_t>(layout.size()), -1.0f);
  }
};

std::vector<float> counted(std::size_t count, float first) {
  std::vector<float> values(count);
  for (std::size_t i = 0; i < count; ++i) values[i] = first + static_cast<float>(i);
  return values;
}

/// As PyTorch has them: [out, in] and [out, in, kernel, kernel].
safetensors_writer tensors() {
  safetensors_writer writer;
  writer.add("net.0.weight", {2, 3}, counted(6, 0));
  writer.add("convolution", {2, 1, 3, 3}, counted(18, 100));
  writer.add("bias", {2}, counted(2, 200), fewstep::element_type::f16);
  writer.add("steps", {1}, counted(1, 7));
  return writer;
}

const fewstep::tensor_names renamed = {{"linear", "net.0.weight"}};

std::vector<std::string> load(network& n, const safetensors_writer& writer,
                              const fewstep::tensor_names& names = renamed) {
  const temporary_directory directory;
  writer.write(directory / "m");
  return fewstep::load_parameters(safetensors_file::load(directory / "m"), n.layout.slices(),
                                  as_vec(std::span(n.parameters)), names);
}

}  // namespace

TEST_CASE("named parameters: tensors in the layouts of PyTorch come into those of the slices", "[io]") {
  network n;
  CHECK(load(n, tensors()) == std::vector<std::string>{"steps"});
  const auto& p = n.parameters;
  for (std::size_t in = 0; in < 3; ++in)
    for (std::size_t out = 0; out < 2; ++out) CHECK(p[2 * in + out] == static_cast<float>(3 * out + in));
  for (std::size_t tap = 0; tap < 9; ++tap)
    for (std::size_t out = 0; out < 2; ++out) CHECK(p[6 + 2 * tap + out] == 100 + static_cast<float>(9 * out + tap));
  CHECK(p[24] == 200);
  CHECK(p[25] == 201);
}

TEST_CASE("named parameters: what is written is read again, under the names that it was given", "[io]") {
  network n;
  n.parameters = counted(n.parameters.size(), 0.5f);
  safetensors_writer writer;
  fewstep::add_parameters(writer, n.layout.slices(), as_vec(std::span<const float>(n.parameters)), renamed);
  const temporary_directory directory;
  writer.write(directory / "m");
  const auto file = safetensors_file::load(directory / "m");
  CHECK(file.shape("net.0.weight") == std::vector<index_t>{2, 3});
  CHECK(file.floats("net.0.weight") == std::vector<float>{0.5f, 2.5f, 4.5f, 1.5f, 3.5f, 5.5f});
  network again;
  CHECK(load(again, writer).empty());
  CHECK(again.parameters == n.parameters);
}

TEST_CASE("named parameters: a weight that the type of the file has no number for is not written", "[io]") {
  network n;
  n.parameters[24] = 1e6f;
  safetensors_writer writer;
  const auto values = as_vec(std::span<const float>(n.parameters));
  CHECK_THROWS_WITH(fewstep::add_parameters(writer, n.layout.slices(), values, {}, fewstep::element_type::f16),
                    contains("the weight 'bias' is not saved") && contains("or save them as F32"));
}

TEST_CASE("named parameters: what does not fit is named, and nothing is written", "[io]") {
  network n;
  const auto before = n.parameters;
  const auto refused = [&](const safetensors_writer& writer, const std::string& complaint,
                           const fewstep::tensor_names& names = renamed) {
    CAPTURE(complaint);
    CHECK_THROWS_WITH(load(n, writer, names), contains(complaint));
    CHECK(n.parameters == before);
  };
  refused(tensors(), "/m: the weight 'linear' is missing", {});
  refused(tensors(), "the weight 'nowhere' (for 'bias') is missing", {{"linear", "net.0.weight"}, {"bias", "nowhere"}});
  refused(tensors(), "the weight 'steps' (for 'bias') has shape [1] but the network needs [2]",
          {{"linear", "net.0.weight"}, {"bias", "steps"}});
  refused(tensors(), "load_parameters: there is no parameter 'lin' to be renamed", {{"lin", "net.0.weight"}});
  const auto with_bias = [](std::span<const float> values) {
    safetensors_writer writer;
    writer.add("net.0.weight", {2, 3}, counted(6, 0));
    writer.add("convolution", {2, 1, 3, 3}, counted(18, 100));
    writer.add("bias", {2}, values);
    return writer;
  };
  const float bad[] = {1, -std::numeric_limits<float>::infinity()};
  refused(with_bias(bad), "the weight 'bias' has -inf at element 1 of 2");
  safetensors_writer integers;
  integers.add("net.0.weight", {2, 3}, counted(6, 0));
  integers.add("convolution", {2, 1, 3, 3}, counted(18, 100));
  const std::int32_t whole[] = {1, 2};
  integers.add_raw("bias", {2}, fewstep::element_type::i32, std::as_bytes(std::span(whole)));
  refused(integers, "tensor 'bias' is I32, but floats are read from");

  n.parameters.resize(25);
  CHECK_THROWS_WITH(load(n, tensors()), contains("'bias' lies at 24 to 26, but there are 25 parameters"));
}

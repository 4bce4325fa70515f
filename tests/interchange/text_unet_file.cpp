// SPDX-License-Identifier: Apache-2.0
/// The C++ side of round_trip.py:
///   text_unet_file write f32|f16|lora MODEL CASE  writes a random model, and inputs with the outputs it gives for them
///   text_unet_file compare MODEL CASE             loads a model and compares its outputs with those of the case
#include "support/tiny_text_unet.hpp"

#include <fewstep/model_file/text_unet_file.hpp>

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <exception>
#include <span>
#include <stdexcept>
#include <string>
#include <vector>

using fewstep::cpu_backend;
using fewstep::element_type;
using fewstep::index_t;
using fewstep::test::tiny_text_unet;

namespace {

std::vector<float> predict(cpu_backend& backend, tiny_text_unet& g, fewstep::batch<fewstep::token_list> rows) {
  auto workspace = g.make_workspace(backend, 0);
  std::vector<float> o(static_cast<std::size_t>(rows.x.size()));
  g.predict(backend, rows, {o.data(), rows.x.extents}, workspace);
  return o;
}

void write(const std::string& kind, const std::string& model, const std::string& path) {
  cpu_backend backend({.threads = 1});
  auto g = fewstep::test::make_tiny_text_unet(
      backend, kind == "lora" ? std::optional(fewstep::lora_options{.rank = 3, .alpha = 7}) : std::nullopt);
  fewstep::save_consistency_model(model, g, g.parameters(), kind == "f16" ? element_type::f16 : element_type::f32);
  auto stored = fewstep::load_consistency_model(backend, model);  // f16 rounds

  const fewstep::test::text_rows all(9, g.sample_size(), 3);
  const std::vector<float> o = predict(backend, stored, all.rows());
  const auto& u = g.network_options().unet;
  const std::vector<index_t> pictures = {all.count, u.height, u.width, u.channels};
  std::vector<float> f(o.size());
  for (std::size_t i = 0; i < o.size(); ++i) {
    const auto c = g.preconditioner()(all.times[i / static_cast<std::size_t>(all.dimension)]);
    f[i] = c.skip * all.x[i] + c.out * o[i];
  }
  fewstep::safetensors_writer file;
  file.add("x", pictures, all.x);
  file.add("t", {all.count}, all.times);
  file.add_raw("tokens", {all.count, fewstep::token_list::length}, element_type::i32,
               std::as_bytes(std::span(all.texts)));
  file.add("o", pictures, o);
  file.add("f", pictures, f);
  file.write(path);
}

bool compare(const std::string& model, const std::string& path) {
  cpu_backend backend({.threads = 1});
  auto g = fewstep::load_consistency_model(backend, model);
  const auto file = fewstep::safetensors_file::load(path);
  const auto x = file.floats("x"), t = file.floats("t"), expected = file.floats("o");
  const auto n = static_cast<index_t>(t.size());
  std::vector<fewstep::token_list> texts(t.size());
  const auto tokens = file.bytes("tokens");
  if (tokens.size() != texts.size() * sizeof(fewstep::token_list)) throw std::runtime_error("tokens are not [N, 10]");
  std::memcpy(texts.data(), tokens.data(), tokens.size());
  const auto o = predict(backend, g, {{x.data(), {n, g.sample_size()}}, {t.data(), {n}}, {texts.data(), {n}}});
  const double error = fewstep::test::relative_error(o, expected);
  std::printf("  fewstep on PyTorch's file: o differs by %.1e\n", error);
  return error < 1e-5;
}

}  // namespace

int main(int count, char** argument) try {
  const std::vector<std::string> a(argument + 1, argument + count);
  if (a.size() == 4 && a[0] == "write") {
    write(a[1], a[2], a[3]);
    return 0;
  }
  if (a.size() == 3 && a[0] == "compare") return compare(a[1], a[2]) ? 0 : 1;
  std::fprintf(stderr, "usage: text_unet_file write f32|f16|lora MODEL CASE, or compare MODEL CASE\n");
  return 2;
} catch (const std::exception& e) {
  std::fprintf(stderr, "text_unet_file: %s\n", e.what());
  return 1;
}

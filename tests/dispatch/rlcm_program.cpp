// SPDX-License-Identifier: Apache-2.0
// A program whose training step the test no-indirect-calls.sh disassembles. Compiled as it stands it must have no
// indirect call; with PLANT_VIRTUAL or PLANT_POINTER there is one, which the test has to find.
#include <fewstep/algorithm/ddpo.hpp>
#include <fewstep/algorithm/rlcm.hpp>
#include <fewstep/backend/cpu/backend.hpp>
#include <fewstep/generator/guided.hpp>
#include <fewstep/generator/mlp_generator.hpp>
#include <fewstep/generator/text_unet.hpp>
#include <fewstep/optimizer/adam.hpp>
#include <fewstep/reward/per_sample.hpp>

#include <cstdint>
#include <cstdio>
#include <span>
#include <vector>

using fewstep::cpu_backend;

namespace {

#if defined(PLANT_VIRTUAL)
struct decay {
  virtual float factor() const = 0;
  virtual ~decay() = default;
};
struct half : decay {
  float factor() const override { return 0.5f; }
};
struct quarter : decay {
  float factor() const override { return 0.25f; }
};
/// An optimizer with a virtual call inside.
struct planted : fewstep::adam {
  const decay* by = nullptr;
  [[nodiscard]] auto at(double rate, std::int64_t step) const {
    return fewstep::adam::at(rate * static_cast<double>(by->factor()), step);
  }
};
planted make_optimizer(int arguments) {
  static const half one;
  static const quarter other;
  planted optimizer{};
  optimizer.by = arguments > 1 ? static_cast<const decay*>(&one) : &other;
  return optimizer;
}
#elif defined(PLANT_POINTER)
float half(float x) { return 0.5f * x; }
float quarter(float x) { return 0.25f * x; }
/// An optimizer with a call through a pointer inside.
struct planted : fewstep::adam {
  float (*by)(float) = nullptr;
  [[nodiscard]] auto at(double rate, std::int64_t step) const {
    return fewstep::adam::at(static_cast<double>(by(static_cast<float>(rate))), step);
  }
};
planted make_optimizer(int arguments) {
  planted optimizer{};
  optimizer.by = arguments > 1 ? half : quarter;
  return optimizer;
}
#else
fewstep::adam make_optimizer(int) { return {.learning_rate = 1e-3f}; }
#endif

struct first_value {
  template <class Context>
  float operator()(fewstep::vec<const float> x, const Context&) const {
    return x[0];
  }
};

template <class Generator>
void learn(cpu_backend& backend, Generator& model, int arguments,
           const std::vector<typename Generator::context_type>& contexts) {
  auto trainer = fewstep::rlcm(backend, model, fewstep::per_sample(first_value{}), make_optimizer(arguments),
                               {.horizon = 3, .batch = {.prompts = 4, .samples_per_prompt = 2}});
  for (int k = 0; k < 2; ++k) std::printf("%.9f\n", trainer.update(contexts).ratio_mean);
}

/// DDPO under guidance.
template <class Generator>
void learn_guided(cpu_backend& backend, Generator& model, int arguments,
                  const std::vector<typename Generator::context_type>& contexts) {
  fewstep::guided with_guidance(backend, model);
  auto trainer = fewstep::ddpo(backend, with_guidance, fewstep::per_sample(first_value{}), make_optimizer(arguments),
                               {.horizon = 3, .batch = {.prompts = 4, .samples_per_prompt = 2}});
  for (int k = 0; k < 2; ++k) std::printf("%.9f\n", trainer.update(contexts).ratio_mean);
}

}  // namespace

int main(int arguments, char**) {
  cpu_backend backend({.threads = 2});
#if !defined(PLANT_VIRTUAL) && !defined(PLANT_POINTER)
  fewstep::text_unet<cpu_backend>::options o;
  o.network.unet.height = o.network.unet.width = 8;
  o.network.unet.widths = {8, 16};
  o.network.unet.encoder_blocks = o.network.unet.decoder_blocks = o.network.unet.middle_blocks = 1;
  o.network.unet.condition = 12;
  o.network.text_width = 6;
  fewstep::text_unet<cpu_backend> pictures(backend, fewstep::vocabulary({"red", "heart"}), o);
  learn(backend, pictures, arguments, {pictures.encode("red"), pictures.encode("red heart")});
  learn_guided(backend, pictures, arguments, {pictures.encode("red"), pictures.encode("red heart")});
#endif
  fewstep::mlp_generator<cpu_backend> points(backend, {});
  learn(backend, points, arguments, {0});
}

// SPDX-License-Identifier: Apache-2.0
#include <fewstep/fewstep.hpp>

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <vector>

// Lion (Chen et al. 2023, arXiv:2302.06675): each parameter moves by the learning rate along the sign of
// c = beta1 m + (1 - beta1) g, and m = beta2 m + (1 - beta2) g remembers the gradients.
struct lion_element {
  float *parameters, *momentum, *ema;
  const float* gradients;
  float beta1, beta2, rate, gradient_scale, ema_decay;
  FEWSTEP_HD void operator()(fewstep::index_t i) const {
    const float g = gradient_scale * gradients[i];
    const float c = beta1 * momentum[i] + (1 - beta1) * g;
    parameters[i] -= rate * static_cast<float>((c > 0) - (c < 0));
    momentum[i] = beta2 * momentum[i] + (1 - beta2) * g;
    if (ema != nullptr) ema[i] = ema_decay * ema[i] + (1 - ema_decay) * parameters[i];
  }
};

struct lion {
  float learning_rate = 1e-4f, beta1 = 0.9f, beta2 = 0.99f;

  template <class Backend>
  struct state {
    fewstep::tensor<float, 1, Backend> momentum;
    template <class Archive>
    void serialize(Archive& archive) {  // what a checkpoint keeps
      archive("momentum", momentum.view());
    }
  };
  template <class Backend>
  state<Backend> make_state(Backend& backend, fewstep::index_t parameters) const {
    return {fewstep::tensor<float, 1, Backend>(backend, {parameters})};
  }
  std::size_t state_bytes(fewstep::index_t parameters) const {
    return static_cast<std::size_t>(parameters) * sizeof(float);
  }
  template <class Backend>
  void update(Backend& backend, state<Backend>& s, const fewstep::optimizer_arrays& a, fewstep::step_scale by) const {
    backend.for_each(a.parameters.size(),
                     lion_element{a.parameters.data, s.momentum.data(), a.ema.data, a.gradients.data, beta1, beta2,
                                  learning_rate * by.rate, by.gradient, a.ema_decay});
  }
};

int main() {
  fewstep::cpu_backend backend({.threads = 1});
  fewstep::mlp_generator<fewstep::cpu_backend> generator(backend, {.preconditioner = {.sigma_max = 2.0f}});
  auto nearness =
      fewstep::per_sample([](fewstep::vec<const float> x, std::int32_t) { return -std::hypot(x[0] - 1.0f, x[1]); });
  auto trainer = fewstep::rlcm(backend, generator, nearness, lion{.learning_rate = 1e-3f},
                               {.horizon = 3, .prompts_per_update = 1, .samples_per_prompt = 256});
  for (const auto& update : trainer.run(std::vector<std::int32_t>{0}, 101))
    if (update.index % 50 == 0)
      std::printf("update %3d: reward %.2f\n", static_cast<int>(update.index), update.reward_mean);
}

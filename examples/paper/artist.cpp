// SPDX-License-Identifier: Apache-2.0
#include "artist.hpp"

#include "models.hpp"
#include "text_to_emoji/drawing.hpp"

#include <fewstep/core/error.hpp>
#include <fewstep/sampler/ddim.hpp>

namespace paper {
namespace {

fewstep::step_table table_of(const drawing& d, const fewstep::edm_consistency& p) {
  return text_to_emoji::drawing_table(p, text_to_emoji::times_for(d.steps));
}

template <class Preconditioning>
fewstep::step_table table_of(const drawing& d, const Preconditioning& p) {
  return fewstep::ddim_sampler{.eta = d.eta}.table(p, d.steps);
}

template <class Policy>
class artist_with final : public artist {
 public:
  artist_with(fewstep::cpu_backend& host, const std::filesystem::path& models, const drawing& d)
      : host_(&host),
        policy_(host, Policy::file(models), d.guidance),
        table_(table_of(d, policy_.network().preconditioner())) {}

  [[nodiscard]] fewstep::index_t sample_size() const override { return policy_.model.sample_size(); }
  [[nodiscard]] fewstep::token_list encode(const std::string& prompt) const override {
    return policy_.model.encode(prompt, fewstep::missing_words::leave_out);
  }
  [[nodiscard]] int network_calls() const override { return table_.horizon() * policy_.calls_per_step(); }
  [[nodiscard]] std::vector<float> draw(std::span<const fewstep::token_list> contexts, std::uint64_t seed,
                                        std::uint64_t first) override {
    return draw_with(*host_, policy_.model, table_, contexts, {.seed = seed, .first = first});
  }

 private:
  fewstep::cpu_backend* host_;
  Policy policy_;
  fewstep::step_table table_;
};

}  // namespace

std::string name_of(const drawing& d) {
  if (!d.by_denoiser) return fewstep::message("consistency, ", d.steps, d.steps == 1 ? " step" : " steps");
  return fewstep::message("DDIM, ", d.steps, " steps, eta ", d.eta, ", guidance ", d.guidance);
}

std::unique_ptr<artist> load_artist(fewstep::cpu_backend& host, const std::filesystem::path& models, const drawing& d) {
  if (d.by_denoiser) return std::make_unique<artist_with<diffusion_policy>>(host, models, d);
  return std::make_unique<artist_with<consistency_policy>>(host, models, d);
}

}  // namespace paper

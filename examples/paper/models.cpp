// SPDX-License-Identifier: Apache-2.0
#include "models.hpp"
#include "compiled_kernels/kernels.hpp"
#include "text_to_emoji/emoji_generator_on.hpp"

#include <type_traits>

namespace paper {

template <class Preconditioning>
unet<Preconditioning> load_unet(fewstep::cpu_backend& host, const std::filesystem::path& file) {
  const auto weights = text_to_emoji::open_weights(file);
  if constexpr (std::is_same_v<Preconditioning, fewstep::edm_consistency>)
    return unet<Preconditioning>(fewstep::load_consistency_model(host, weights));
  else
    return unet<Preconditioning>(fewstep::load_text_unet<Preconditioning>(host, weights));
}

// That of edm_consistency is the application's.
template unet<fewstep::edm_consistency> load_unet(fewstep::cpu_backend&, const std::filesystem::path&);
template unet<fewstep::rectified_flow<fewstep::edm_denoiser>> load_unet(fewstep::cpu_backend&,
                                                                        const std::filesystem::path&);
template unet<fewstep::variance_preserving<fewstep::edm_denoiser>> load_unet(fewstep::cpu_backend&,
                                                                             const std::filesystem::path&);

}  // namespace paper

template class text_to_emoji::emoji_generator<fewstep::cpu_backend, fewstep::rectified_flow<fewstep::edm_denoiser>>;
template class text_to_emoji::emoji_generator<fewstep::cpu_backend,
                                              fewstep::variance_preserving<fewstep::edm_denoiser>>;
template class text_to_emoji::emoji_generator<fewstep::cpu_backend, fewstep::edm_denoiser>;

// SPDX-License-Identifier: Apache-2.0
#include "../../compiled_kernels/kernels.cuh"
#include "../../compiled_kernels/kernels.hpp"
#include "../emoji_generator_on.hpp"

namespace text_to_emoji {

template class emoji_generator<fewstep::cuda_backend>;
template class emoji_reference<fewstep::cuda_backend>;
template emoji_generator<fewstep::cuda_backend> load_generator(fewstep::cuda_backend&, const std::filesystem::path&,
                                                               int, std::uint64_t);
template std::shared_ptr<emoji_reference<fewstep::cuda_backend>> load_reference(
    fewstep::cuda_backend&, const std::filesystem::path&, std::shared_ptr<emoji_generator<fewstep::cuda_backend>>);
template void save_generator(fewstep::cuda_backend&, const std::filesystem::path&,
                             emoji_generator<fewstep::cuda_backend>&, fewstep::vec<const float>, bool);

template class emoji_generator<fewstep::emulated_backend>;
template class emoji_reference<fewstep::emulated_backend>;
template emoji_generator<fewstep::emulated_backend> load_generator(fewstep::emulated_backend&,
                                                                   const std::filesystem::path&, int, std::uint64_t);
template std::shared_ptr<emoji_reference<fewstep::emulated_backend>> load_reference(
    fewstep::emulated_backend&, const std::filesystem::path&,
    std::shared_ptr<emoji_generator<fewstep::emulated_backend>>);
template void save_generator(fewstep::emulated_backend&, const std::filesystem::path&,
                             emoji_generator<fewstep::emulated_backend>&, fewstep::vec<const float>, bool);

}  // namespace text_to_emoji

// SPDX-License-Identifier: Apache-2.0
#include "../../compiled_kernels/kernels.hpp"
#include "../emoji_generator_on.hpp"

#include <fewstep/backend/cpu/backend.hpp>

namespace text_to_emoji {

template class emoji_generator<fewstep::cpu_backend>;
template class emoji_reference<fewstep::cpu_backend>;
template emoji_generator<fewstep::cpu_backend> load_generator(fewstep::cpu_backend&, const std::filesystem::path&, int,
                                                              std::uint64_t);
template std::shared_ptr<emoji_reference<fewstep::cpu_backend>> load_reference(
    fewstep::cpu_backend&, const std::filesystem::path&, std::shared_ptr<emoji_generator<fewstep::cpu_backend>>);
template void save_generator(fewstep::cpu_backend&, const std::filesystem::path&,
                             emoji_generator<fewstep::cpu_backend>&, fewstep::vec<const float>, bool);

}  // namespace text_to_emoji

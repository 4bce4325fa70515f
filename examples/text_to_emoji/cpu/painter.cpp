// SPDX-License-Identifier: Apache-2.0
#include "../painter_on.hpp"

#include <fewstep/backend/cpu/backend.hpp>

namespace text_to_emoji {

template std::unique_ptr<painter> make_painter(fewstep::cpu_backend&,
                                               std::shared_ptr<emoji_generator<fewstep::cpu_backend>>);
template std::unique_ptr<painter> make_painter(fewstep::cpu_backend&,
                                               std::shared_ptr<emoji_reference<fewstep::cpu_backend>>);
template std::unique_ptr<painter> runtime_on<fewstep::cpu_backend>::load(const std::filesystem::path&);

}  // namespace text_to_emoji

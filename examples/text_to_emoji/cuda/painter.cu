// SPDX-License-Identifier: Apache-2.0
#include "../../compiled_kernels/kernels.cuh"
#include "../../compiled_kernels/kernels.hpp"
#include "../painter_on.hpp"

namespace text_to_emoji {

template std::unique_ptr<painter> make_painter(fewstep::cuda_backend&,
                                               std::shared_ptr<emoji_generator<fewstep::cuda_backend>>);
template std::unique_ptr<painter> make_painter(fewstep::cuda_backend&,
                                               std::shared_ptr<emoji_reference<fewstep::cuda_backend>>);
template std::unique_ptr<painter> runtime_on<fewstep::cuda_backend>::load(const std::filesystem::path&);
template std::unique_ptr<painter> make_painter(fewstep::emulated_backend&,
                                               std::shared_ptr<emoji_generator<fewstep::emulated_backend>>);
template std::unique_ptr<painter> make_painter(fewstep::emulated_backend&,
                                               std::shared_ptr<emoji_reference<fewstep::emulated_backend>>);
template std::unique_ptr<painter> runtime_on<fewstep::emulated_backend>::load(const std::filesystem::path&);

}  // namespace text_to_emoji

// SPDX-License-Identifier: Apache-2.0
#include "../../compiled_kernels/kernels.cuh"
#include "../../compiled_kernels/kernels.hpp"
#include "../emoji_generator_on.hpp"
#include "../painter_on.hpp"
#include "../runtime_on.hpp"

namespace text_to_emoji {

std::unique_ptr<runtime> make_cuda_runtime() {
  return std::make_unique<runtime_on<fewstep::cuda_backend>>(fewstep::cuda_backend::options{});
}

std::unique_ptr<runtime> make_emulated_runtime() {
  return std::make_unique<runtime_on<fewstep::emulated_backend>>(fewstep::emulated_backend::options{});
}

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

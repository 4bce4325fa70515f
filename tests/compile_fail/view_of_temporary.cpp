// SPDX-License-Identifier: Apache-2.0
#include "compile_fail/compose.hpp"

#include <fewstep/image/jpeg.hpp>
#include <fewstep/io/safetensors.hpp>

#include <span>
#include <utility>

using namespace fewstep;
using trainer_type = compose::with_backend<cpu_backend>;

void keep_views_of_named(cpu_backend& backend, const trainer_type& trainer, const rgb_image& picture,
                         std::span<const std::uint8_t> rgb, const safetensors_file& file) {
  tensor<float, 1, cpu_backend> array(backend, {3});
  jpeg_encoder encoder;
  (void)array.view();
  (void)std::as_const(array).view();
  (void)encoder.encode(picture);
  (void)encoder.encode(rgb, 1, 1, 50);
  (void)file.bytes("tensor");
  (void)trainer.rewards();
  (void)trainer.samples();
}

vec<const float> of_array(cpu_backend& backend) {
  return tensor<float, 1, cpu_backend>(backend, {3}).view();  // error: deleted.* function .*view
}
std::span<const unsigned char> of_encoder(const rgb_image& picture, std::span<const std::uint8_t> rgb) {
  auto bytes = jpeg_encoder().encode(picture);  // error: deleted.* function .*encode
  return jpeg_encoder().encode(rgb, 1, 1, 50);  // error: deleted.* function .*encode
}
std::span<const std::byte> of_file() {
  return safetensors_file::load("weights.safetensors").bytes("tensor");  // error: deleted.* function .*bytes
}
void of_trainer(trainer_type& trainer) {
  std::span<const float> rewards = std::move(trainer).rewards();         // error: deleted.* function .*rewards
  std::span<const std::int32_t> prompts = std::move(trainer).prompts();  // error: deleted.* function .*prompts
  matrix<const float> samples = std::move(trainer).samples();            // error: deleted.* function .*samples
  vec<const float> ema = std::move(trainer).ema();                       // error: deleted.* function .*ema
}

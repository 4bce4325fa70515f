// SPDX-License-Identifier: Apache-2.0
#include <fewstep/image/jpeg.hpp>

#include <span>

void keep_views(const fewstep::rgb_image& picture, std::span<const std::uint8_t> rgb) {
  fewstep::jpeg_encoder encoder;
  (void)encoder.encode(picture);
  (void)encoder.encode(rgb, 1, 1, 50);

  (void)fewstep::jpeg_encoder().encode(picture);  // error: fewstep: this is a view of an object that ends
}

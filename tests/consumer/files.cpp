// SPDX-License-Identifier: Apache-2.0
// Sends a picture through a safetensors file and through PNG, and compresses it: the components io and image.
#include <fewstep/core/config.hpp>
#include <fewstep/core/error.hpp>
#include <fewstep/core/random.hpp>
#include <fewstep/image/jpeg.hpp>
#include <fewstep/image/png.hpp>
#include <fewstep/io/safetensors.hpp>

#include <cstdio>
#include <vector>

#if defined(PACKAGE_VERSION)
static_assert(FEWSTEP_VERSION == PACKAGE_VERSION, "the package has another version than its headers");
#endif

int main() {
  constexpr fewstep::index_t side = 16;
  std::vector<float> sample(side * side * 3);
  fewstep::fill_normal({.seed = 1, .purpose = fewstep::stream::user}, 0, 0, sample.data(), side * side * 3);

  fewstep::safetensors_writer writer;
  writer.add("sample", {side, side, 3}, sample);
  writer.write("sample.safetensors");
  fewstep::expects(fewstep::safetensors_file::load("sample.safetensors").floats("sample") == sample,
                   "files: the safetensors file gives back other numbers");

  const fewstep::rgb_image picture = fewstep::to_rgb({sample.data(), {side * side * 3}});
  fewstep::expects(fewstep::decode_png(fewstep::encode_png(picture)) == picture, "files: PNG loses something");
  fewstep::jpeg_encoder encoder;
  const auto small = encoder.encode(picture, 50).size(), large = encoder.encode(picture, 95).size();
  std::printf("JPEG bytes: %zu at quality 50, %zu at quality 95\n", small, large);
  fewstep::expects(0 < small && small < large, "files: less quality does not give a smaller JPEG");
}

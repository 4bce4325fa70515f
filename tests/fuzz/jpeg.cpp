// SPDX-License-Identifier: Apache-2.0
// A JPEG file: baseline, progressive, arithmetic.
#include "fuzz.hpp"
#include "input_folder.hpp"

#include <fewstep/image/jpeg.hpp>

FEWSTEP_FUZZ(bytes) {
  const auto picture = fewstep::jpeg_decode({reinterpret_cast<const unsigned char*>(bytes.data()), bytes.size()});
  fewstep::fuzz::require(static_cast<fewstep::index_t>(picture.pixels.size()) == picture.height * picture.width * 3,
                         "a picture of another size than its pixels");
}

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fewstep/core/error.hpp>
#include <fewstep/generator/text_unet.hpp>

#include <string>
#include <utility>
#include <vector>

/// A U-Net such as examples/text_to_emoji trains (the default one unless options are given), on any backend.
template <class Backend>
fewstep::text_unet<Backend> default_unet(Backend& backend, fewstep::unet_options unet = {}) {
  std::vector<std::string> words;
  for (int i = 0; i < 494; ++i) words.push_back(fewstep::message("word", i));
  typename fewstep::text_unet<Backend>::options options;
  options.network.unet = std::move(unet);
  options.preconditioner = {.sigma_data = 0.5f, .sigma_min = 0.01f, .sigma_max = 40.0f};
  options.seed = 1;
  return fewstep::text_unet<Backend>(backend, fewstep::vocabulary(std::move(words)), std::move(options));
}

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fewstep/backend/cpu/backend.hpp>
#include <fewstep/generator/vocabulary.hpp>

#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <vector>

namespace paper {

/// Draws pictures.
class artist {
 public:
  artist() = default;
  artist(const artist&) = delete;
  artist& operator=(const artist&) = delete;
  virtual ~artist() = default;

  /// Values D of a picture.
  [[nodiscard]] virtual fewstep::index_t sample_size() const = 0;
  [[nodiscard]] virtual fewstep::token_list encode(const std::string& prompt) const = 0;
  /// Evaluations of the network for a picture; guidance takes two for each step.
  [[nodiscard]] virtual int network_calls() const = 0;
  /// Pictures [contexts, D], each from noise that is a function of the seed and of its number first, first + 1, ...
  [[nodiscard]] virtual std::vector<float> draw(std::span<const fewstep::token_list> contexts, std::uint64_t seed,
                                                std::uint64_t first) = 0;
};

/// How pictures are drawn: by a consistency model, or by the denoiser with DDIM.
struct drawing {
  bool by_denoiser = false;
  int steps = 4;
  float guidance = 1;  ///< of the denoiser
  float eta = 1;       ///< of DDIM
};

[[nodiscard]] std::string name_of(const drawing& d);

/// An artist with the model in the folder; the backend must outlive it.
[[nodiscard]] std::unique_ptr<artist> load_artist(fewstep::cpu_backend& host, const std::filesystem::path& models,
                                                  const drawing& d);

}  // namespace paper

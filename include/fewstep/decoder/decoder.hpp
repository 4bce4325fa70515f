// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fewstep/core/view.hpp>

#include <concepts>

namespace fewstep {

/// What turns the sampler's result [B, D] into what is judged and shown [B, decoded_size]: a VAE, a compositing mask, a
/// kinematic model; the identity by default.
///
/// The compiler cannot check: row r of the output depends on row r of the input only.
///
/// Smallest model:
///   struct doubled {
///     index_t decoded_size(index_t d) const { return d; }
///     void operator()(cpu_backend&, matrix<const float> x, matrix<float> y) const { ... }
///   };
/// Models here: identity_decoder.
template <class D, class Backend>
concept decoder = requires(D& d, const D& cd, Backend& backend, matrix<const float> samples, matrix<float> decoded,
                           index_t n) {
  { cd.decoded_size(n) } -> std::convertible_to<index_t>;
  { d(backend, samples, decoded) } -> std::same_as<void>;
};

/// Samples are judged as they are. Algorithms recognise it and copy nothing.
struct identity_decoder {
  [[nodiscard]] index_t decoded_size(index_t sample_size) const { return sample_size; }
  template <class Backend>
  void operator()(Backend& backend, matrix<const float> samples, matrix<float> decoded) const {
    backend.copy_to_host(samples.data, decoded.data, samples.size());
  }
};

}  // namespace fewstep

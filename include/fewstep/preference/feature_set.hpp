// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fewstep/core/view.hpp>
#include <fewstep/preference/set_reward.hpp>

#include <concepts>
#include <cstddef>
#include <functional>
#include <span>
#include <type_traits>
#include <utility>
#include <vector>

namespace fewstep {

/// Makes features of samples: encoder.features() is their number P, and encoder.features(samples[N, D], out[N, P])
/// writes them, a row each, which depends on its sample only. Samples are decoded, in host memory.
///
/// Models: alignment_reward (the picture's tower of a two_tower), sample_features, and std::ref of one.
template <class E>
concept feature_encoder = requires(std::unwrap_ref_decay_t<E>& encoder, matrix<const float> samples,
                                   matrix<float> out) {
  { encoder.features() } -> std::convertible_to<index_t>;
  { encoder.features(samples, out) } -> std::same_as<void>;
};

namespace detail {

/// Whether E models feature_encoder; where it does not, the compiler says what is missing.
template <class E>
consteval bool require_feature_encoder() {
  static_assert(feature_encoder<E>,
                "fewstep::feature_encoder: index_t features() const or void features(matrix<const float> samples, "
                "matrix<float> out) is missing; wrap a function of one sample: sample_features(count, function)");
  return feature_encoder<E>;
}

}  // namespace detail

/// A feature_encoder from a function of one sample: write(sample[D], features[P]).
template <class Write>
class sample_features {
 public:
  sample_features(index_t features, Write write) : count_(features), write_(std::move(write)) {}

  [[nodiscard]] index_t features() const { return count_; }
  void features(matrix<const float> samples, matrix<float> out) {
    for (index_t i = 0; i < samples.rows(); ++i)
      write_(vec<const float>(samples.row(i), {samples.cols()}), vec<float>(out.row(i), {count_}));
  }

 private:
  index_t count_;
  Write write_;
};

/// Features of N samples, a row each: the exemplars that a set is to be like, for one.
class feature_set {
 public:
  /// Copies features[N, P]. Throws std::invalid_argument where there are none and where one is not finite, naming it.
  explicit feature_set(matrix<const float> features)
      : values_(features.begin(), features.end()), rows_(features.rows()), width_(features.cols()) {
    detail::expect_features("feature_set", features);
  }
  /// What `encoder` makes of samples[N, D].
  template <feature_encoder Encoder>
  feature_set(Encoder&& encoder, matrix<const float> samples)
      : feature_set(samples.rows(), unwrapped(encoder).features(),
                    [&](matrix<float> out) { unwrapped(encoder).features(samples, out); }) {}

  /// Of texts, in the space that they share with pictures (an alignment_reward has one): what pictures of these texts
  /// should be like, without a picture.
  template <class Encoder, class Text>
  [[nodiscard]] static feature_set of_texts(Encoder& encoder, std::span<const Text> texts) {
    return {static_cast<index_t>(texts.size()), encoder.features(),
            [&](matrix<float> out) { encoder.text_features(texts, out); }};
  }

  [[nodiscard]] matrix<const float> view() const { return {values_.data(), {rows_, width_}}; }
  [[nodiscard]] index_t rows() const { return rows_; }
  [[nodiscard]] index_t width() const { return width_; }

 private:
  template <class Encoder>
  static std::unwrap_ref_decay_t<Encoder>& unwrapped(Encoder& encoder) {
    return encoder;
  }

  template <class Fill>
  feature_set(index_t rows, index_t width, const Fill& fill)
      : values_(static_cast<std::size_t>(rows * width)), rows_(rows), width_(width) {
    fill(matrix<float>{values_.data(), {rows, width}});
    detail::expect_features("feature_set", view());
  }

  std::vector<float> values_;
  index_t rows_, width_;
};

}  // namespace fewstep

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fewstep/core/config.hpp>
#include <fewstep/core/error.hpp>
#include <fewstep/core/settings.hpp>
#include <fewstep/core/sizes.hpp>
#include <fewstep/core/view.hpp>

#include <string_view>

namespace fewstep {

/// Which part of a sample each of its coordinates belongs to, where parts are judged apart: stretches of a clip,
/// regions of a picture. Along one axis of the sample, `length` neighbours make a segment; the last may be shorter.
///
///   segment_map{}                                                 one segment: the sample as a whole
///   segment_map{.inner = height * width, .extent = frames, .length = 4}   of [channels, frames, height, width]
///   segment_map{.inner = channels * height * width, .extent = frames}     of [frames, channels, height, width]
struct segment_map {
  index_t inner = 0;   ///< coordinates of one place on the axis that stand together; 0: there is one segment
  index_t extent = 1;  ///< places on the axis
  index_t length = 1;  ///< places of a segment

  static constexpr std::string_view name = "segment_map";
  template <class Visitor>
  void settings(Visitor& visit) const {
    visit("inner", inner, at_least(0).remark("0: one segment"));
    visit("extent", extent, at_least(1));
    visit("length", length, at_least(1));
  }

  [[nodiscard]] FEWSTEP_HD index_t count() const {
    return inner == 0 ? 1 : extent / length + (extent % length != 0 ? 1 : 0);
  }
  /// The segment of coordinate d.
  [[nodiscard]] FEWSTEP_HD index_t operator()(index_t d) const { return inner == 0 ? 0 : d / inner % extent / length; }
  /// Coordinates from a multiple of it on that are of one segment.
  [[nodiscard]] FEWSTEP_HD index_t run(index_t dimension) const { return inner == 0 ? dimension : inner; }

  /// Throws std::invalid_argument unless a sample of so many coordinates can be cut so.
  void expect_fitting(std::string_view who, index_t dimension) const {
    expects(inner == 0 || dimension % length_product(inner, extent) == 0, [&] {
      return message(who, ": segments.inner ", inner, " times segments.extent ", extent, " does not divide a sample's ",
                     dimension, " values; inner is the product of the extents that follow the axis of the segments");
    });
  }
};

}  // namespace fewstep

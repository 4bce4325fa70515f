// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fewstep/core/config.hpp>
#include <fewstep/core/error.hpp>
#include <fewstep/core/view.hpp>

#include <cstdint>
#include <stdexcept>
#include <string>
#include <string_view>

namespace fewstep {

namespace detail {

/// 1 for a value that is NaN or infinite.
struct is_not_finite {
  const float* values;
  FEWSTEP_HD double operator()(index_t i) const { return values[i] - values[i] == 0.0f ? 0.0 : 1.0; }
};

}  // namespace detail

/// How many of the values are NaN or infinite.
template <class Backend>
[[nodiscard]] index_t count_not_finite(Backend& backend, vec<const float> values) {
  if (values.size() == 0) return 0;
  return static_cast<index_t>(backend.sum(values.size(), detail::is_not_finite{values.data}));
}

/// Sees to it that the parameters of a training are finite where it begins and where it is saved, and says of what
/// fails in between whether the parameters are to blame. An update pays nothing for it.
class finite_parameters {
 public:
  /// `who` trains, in steps of this name ("update"). Both must outlive it.
  finite_parameters(std::string_view who, std::string_view unit) : who_(who), unit_(unit) {}

  /// Step `index` has moved the parameters.
  void moved_by(std::int64_t index) { moved_ = index + 1; }
  /// The parameters are those after so many steps, of a checkpoint, which holds finite ones.
  void loaded(std::int64_t steps) { moved_ = seen_ = steps; }

  /// Throws std::runtime_error if one of the values, parameters or their EMA, is not finite; names the step that
  /// left them so.
  template <class Backend>
  void require(Backend& backend, vec<const float> values) {
    const index_t count = count_not_finite(backend, values);
    if (count > 0)
      throw std::runtime_error(
          message(who_, ": ", count, " of ", values.size(), " parameters are not finite", cause()));
    seen_ = moved_;
  }

 private:
  [[nodiscard]] std::string cause() const {
    if (moved_ == seen_) return "; load or initialise them anew before they are trained";
    return message(": ", unit_, " ", moved_ - 1, " left them so",
                   moved_ - seen_ == 1 ? "" : message(" (they were finite after ", seen_, " of them)"),
                   "; go on from the last checkpoint, which is finite, or begin anew, with a lower learning rate");
  }

  std::string_view who_, unit_;
  std::int64_t moved_ = 0;  // steps that have moved the parameters
  std::int64_t seen_ = 0;   // of them, when the parameters were last seen to be finite
};

}  // namespace fewstep

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fewstep/core/half.hpp>
#include <fewstep/core/view.hpp>

#include <algorithm>
#include <cstdint>

namespace fewstep {

/// As what a trajectory stores its states. In 16 bits they take half of the memory, and an action is what is stored of
/// it: x' is rounded before its log-probability is computed, so the ratio of the first replay is exactly 1. To round
/// must be little beside the noise of a step, whose density is taken at the rounded value.
enum class state_storage : std::uint8_t {
  float32,
  float16,   ///< rounds by up to 2^-11 of a value; up to 65504, beyond which an update is refused
  bfloat16,  ///< rounds by up to 2^-8 of a value; range of a float
};

namespace detail {

struct float16_format {
  [[nodiscard]] FEWSTEP_HD static std::uint16_t pattern_of(float value) { return float_to_half(value); }
  [[nodiscard]] FEWSTEP_HD static float value_of(std::uint16_t pattern) { return half_to_float(pattern); }
};
struct bfloat16_format {
  [[nodiscard]] FEWSTEP_HD static std::uint16_t pattern_of(float value) { return float_to_bfloat16(value); }
  [[nodiscard]] FEWSTEP_HD static float value_of(std::uint16_t pattern) { return bfloat16_to_float(pattern); }
};

/// Whether a number became infinite by being stored.
[[nodiscard]] FEWSTEP_HD inline bool is_beyond(float value, float stored) {
  constexpr std::uint32_t all_but_sign = 0x7fffffffu;
  return (bits_of(stored) & all_but_sign) == infinity_bits && (bits_of(value) & all_but_sign) < infinity_bits;
}

/// Where states [N, D] are stored in 16 bits. It does not own.
struct packed_states {
  matrix<std::uint16_t> patterns{};  ///< null: states are stored as they are, elsewhere
  state_storage as = state_storage::float32;
  float* beyond = nullptr;  ///< [N], where a row leaves a value that there is no number for

  [[nodiscard]] FEWSTEP_HD bool is_null() const { return patterns.data == nullptr; }

  /// Stores value d of row i; returns what it is from then on. Of several values of a row that are beyond the range,
  /// one stays in `beyond`, whichever thread writes it last.
  FEWSTEP_HD float store(index_t i, index_t d, float value) const {
    return as == state_storage::float16 ? store_as<float16_format>(i, d, value)
                                        : store_as<bfloat16_format>(i, d, value);
  }
  /// The same for a row, in place.
  void store(index_t i, float* values) const {
    if (as == state_storage::float16)
      store_row_as<float16_format>(i, values);
    else
      store_row_as<bfloat16_format>(i, values);
  }

 private:
  template <class Format>
  FEWSTEP_HD float store_as(index_t i, index_t d, float value) const {
    const std::uint16_t pattern = Format::pattern_of(value);
    patterns(i, d) = pattern;
    const float stored = Format::value_of(pattern);
    if (is_beyond(value, stored)) beyond[i] = value;
    return stored;
  }
  template <class Format>
  void store_row_as(index_t i, float* values) const {
    std::uint16_t* row = patterns.row(i);
    const index_t n = patterns.cols();
    std::uint32_t any_beyond = 0;
    for (index_t d = 0; d < n; ++d) {
      row[d] = Format::pattern_of(values[d]);
      any_beyond |= static_cast<std::uint32_t>(is_beyond(values[d], Format::value_of(row[d])));
    }
    if (any_beyond != 0)
      beyond[i] = *std::find_if(values, values + n,
                                [](float v) { return is_beyond(v, Format::value_of(Format::pattern_of(v))); });
    for (index_t d = 0; d < n; ++d) values[d] = Format::value_of(row[d]);
  }
};

/// Stores the rows of x[N, D], which become what is stored of them.
struct store_states {
  packed_states stored;
  matrix<float> x;

  [[nodiscard]] FEWSTEP_HD index_t columns() const { return x.cols(); }
  FEWSTEP_HD void operator()(index_t i, index_t d) const { x(i, d) = stored.store(i, d, x(i, d)); }
  void operator()(index_t i) const { stored.store(i, x.row(i)); }
};

/// to[i] = the state of row numbers[i] + offset, or of row i + offset where `numbers` is null.
struct load_states {
  matrix<const std::uint16_t> patterns;
  state_storage as;
  const index_t* numbers;
  index_t offset;
  matrix<float> to;

  [[nodiscard]] FEWSTEP_HD index_t columns() const { return to.cols(); }
  FEWSTEP_HD void operator()(index_t i, index_t d) const {
    const std::uint16_t pattern = patterns(row(i), d);
    to(i, d) = as == state_storage::float16 ? half_to_float(pattern) : bfloat16_to_float(pattern);
  }
  FEWSTEP_HD void operator()(index_t i) const {
    const std::uint16_t* from = patterns.row(row(i));
    float* out = to.row(i);
    if (as == state_storage::float16)
      for (index_t d = 0; d < to.cols(); ++d) out[d] = half_to_float(from[d]);
    else
      for (index_t d = 0; d < to.cols(); ++d) out[d] = bfloat16_to_float(from[d]);
  }

 private:
  [[nodiscard]] FEWSTEP_HD index_t row(index_t i) const { return offset + (numbers == nullptr ? i : numbers[i]); }
};

}  // namespace detail

[[nodiscard]] constexpr const char* name_of(state_storage as) {
  return as == state_storage::float16 ? "float16" : as == state_storage::bfloat16 ? "bfloat16" : "float32";
}
/// The largest number of a format of 16 bits.
[[nodiscard]] constexpr float largest_of(state_storage as) {
  return as == state_storage::float16 ? 65504.0f : bfloat16_to_float(0x7f7f);
}

}  // namespace fewstep

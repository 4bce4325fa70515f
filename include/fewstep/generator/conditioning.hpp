// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fewstep/core/error.hpp>
#include <fewstep/core/view.hpp>
#include <fewstep/detail/config.hpp>

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <type_traits>

/// What mlp_generator may be conditioned on: the type of its context, and how a context becomes columns of the
/// network's input.

namespace fewstep {

/// One of `classes` classes, counted from 0; the network sees it one-hot. -1 is no class, of which it sees zeros.
struct class_conditioning {
  using context_type = std::int32_t;

  [[nodiscard]] static context_type none() { return -1; }
  [[nodiscard]] static index_t width(index_t classes) { return classes; }
  /// A class beyond the last would be written outside of the row.
  static void check(vec<const context_type> contexts, index_t classes) {
    for (index_t r = 0; classes > 0 && r < contexts.size(); ++r)
      expects(contexts[r] >= none() && contexts[r] < classes, [&] {
        return message("mlp_generator: row ", r, " has the class ", contexts[r], ", but there are ", classes, " (0 to ",
                       classes - 1, ", or ", none(), " for none)");
      });
  }
  template <class T>
  FEWSTEP_HD static void write(const context_type& number, vec<T> columns) {
    for (index_t i = 0; i < columns.size(); ++i) columns[i] = T(0);
    if (number >= 0) columns[number] = T(1);
  }
};

/// What a robot observes. `Observation` is a struct of floats and nothing else, and the network sees them in their
/// order, as they are: scale them to about 1.
///
///   struct observation { float position[2], velocity[2], goal[2]; };
///   using policy = mlp_generator<cpu_backend, edm_consistency, observation_conditioning<observation>>;
template <class Observation>
struct observation_conditioning {
  static_assert(std::is_trivially_copyable_v<Observation> && alignof(Observation) == alignof(float) &&
                    sizeof(Observation) % sizeof(float) == 0 && !std::has_unique_object_representations_v<Observation>,
                "fewstep::observation_conditioning: an observation is a struct of floats only, such as "
                "struct { float position[2], velocity[2]; }");
  using context_type = Observation;

  /// Nothing is observed: zeros, which no observation of numbers of about 1 is taken for.
  [[nodiscard]] static context_type none() {
    return std::bit_cast<Observation>(std::array<float, static_cast<std::size_t>(floats)>{});
  }
  [[nodiscard]] static index_t width(index_t classes) {
    expects(classes == 0, [&] {
      return message("mlp_generator: classes is ", classes, ", but it is conditioned on an observation; leave it 0");
    });
    return floats;
  }
  static void check(vec<const context_type>, index_t) {}
  template <class T>
  FEWSTEP_HD static void write(const context_type& observed, vec<T> columns) {
    float values[static_cast<std::size_t>(floats)];
    std::memcpy(values, &observed, sizeof(Observation));
    for (index_t i = 0; i < floats; ++i) columns[i] = static_cast<T>(values[i]);
  }

 private:
  static constexpr index_t floats = sizeof(Observation) / sizeof(float);
};

}  // namespace fewstep

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fewstep/core/config.hpp>
#include <fewstep/core/view.hpp>

#include <cstdint>

namespace fewstep::detail {

/// Four neighbouring floats on a 16-byte boundary, which a GPU reads and writes at once.
struct alignas(16) float_packet {
  float values[4];

  [[nodiscard]] FEWSTEP_HD constexpr float operator[](int i) const { return values[i]; }
  [[nodiscard]] FEWSTEP_HD constexpr float& operator[](int i) { return values[i]; }
};

[[nodiscard]] FEWSTEP_HD inline float_packet load_packet(const float* from) {
  return *reinterpret_cast<const float_packet*>(from);
}
FEWSTEP_HD inline void store_packet(float* to, const float_packet& packet) {
  *reinterpret_cast<float_packet*>(to) = packet;
}

/// Whether all of these addresses lie on a 16-byte boundary; a null pointer does.
template <class... Pointers>
[[nodiscard]] bool on_packets(const Pointers*... pointers) {
  return ((reinterpret_cast<std::uintptr_t>(pointers) % sizeof(float_packet) == 0) && ...);
}

}  // namespace fewstep::detail

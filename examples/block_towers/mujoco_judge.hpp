// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "simulation.hpp"
#include "tower.hpp"

/// MuJoCo as a further judge, where the build was given it (docs/preferences.md says how).
#ifdef BLOCK_TOWERS_MUJOCO

#include <cmath>
#include <cstddef>
#include <memory>
#include <numbers>
#include <stdexcept>
#include <string>

#include <mujoco/mujoco.h>

namespace block_towers {

constexpr bool has_mujoco = true;

/// The tower as boxes that move in the plane, under the friction of `world`, each less deep than the one below; the
/// blocks' joints are, in this order, a slide along x, one upwards and a hinge.
[[nodiscard]] inline std::string mujoco_model(const tower& t, double step) {
  const auto vector = [](double x, double y, double z) {
    return "\"" + std::to_string(x) + " " + std::to_string(y) + " " + std::to_string(z) + "\"";
  };
  std::string xml = "<mujoco><option timestep=\"" + std::to_string(step) +
                    "\" cone=\"elliptic\" impratio=\"10\"/><default><geom friction=\"0.6\" solref=\"0.005 1\"/>"
                    "</default><worldbody><geom type=\"plane\" size=\"10 10 1\"/>";
  double z = 0, depth = 1;
  for (const block& b : t) {
    xml += "<body pos=" + vector(b.x, 0, z + b.height / 2) +
           "><joint type=\"slide\" axis=\"1 0 0\"/><joint type=\"slide\" axis=\"0 0 1\"/><joint type=\"hinge\" "
           "axis=\"0 1 0\"/><geom type=\"box\" size=" +
           vector(b.width / 2, depth / 2, b.height / 2) + " mass=\"" + std::to_string(b.width * b.height) +
           "\"/></body>";
    z += b.height, depth -= 0.05;  // edges that lie on each other now and then throw a block into the air
  }
  return xml + "</worldbody></mujoco>";
}

/// As stands_in_simulation. Throws std::runtime_error with MuJoCo's words where it does not take the model.
[[nodiscard]] inline bool stands_in_mujoco(const tower& t, const simulation_settings& s = {.step = 1e-3}) {
  const std::string xml = mujoco_model(t, s.step);
  char error[500] = "";
  const auto files = std::make_unique<mjVFS>();
  mj_defaultVFS(files.get());
  mj_addBufferVFS(files.get(), "tower.xml", xml.data(), static_cast<int>(xml.size()));
  const std::unique_ptr<mjModel, void (*)(mjModel*)> model(
      mj_loadXML("tower.xml", files.get(), error, static_cast<int>(sizeof(error))), mj_deleteModel);
  mj_deleteVFS(files.get());
  if (!model) throw std::runtime_error(std::string("MuJoCo: ") + static_cast<const char*>(error));
  const std::unique_ptr<mjData, void (*)(mjData*)> data(mj_makeData(model.get()), mj_deleteData);
  double still = 0;
  while (data->time < s.seconds && still < 0.25) {
    mj_step(model.get(), data.get());
    double fastest = 0;
    for (std::size_t i = 0; i < blocks; ++i) {
      const mjtNum *place = data->qpos + 3 * i, *velocity = data->qvel + 3 * i;
      if (std::abs(place[2]) > std::numbers::pi / 9 || place[1] < -t[i].height / 2) return false;
      for (int k = 0; k < 3; ++k) fastest = std::fmax(fastest, std::abs(velocity[k]));
    }
    still = fastest > 1e-3 ? 0 : still + s.step;
  }
  return true;
}

}  // namespace block_towers

#else

namespace block_towers {

constexpr bool has_mujoco = false;
[[nodiscard]] inline bool stands_in_mujoco(const tower&) { return false; }

}  // namespace block_towers

#endif

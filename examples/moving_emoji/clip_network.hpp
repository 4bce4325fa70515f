// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fewstep/backend/cpu/backend.hpp>
#include <fewstep/generator/flow_matching.hpp>
#include <fewstep/generator/network_generator.hpp>
#include <fewstep/generator/text_unet_network.hpp>

#include <algorithm>

namespace moving_emoji {

/// The velocity z - x_0 of a flow at x_t = (1 - t) x_0 + t z, as (x_t - U(x_t, t, text)) / t from a U-Net that predicts
/// the clip: clips lie on a surface of few dimensions, which a narrow network can draw, where it could not hand on the
/// noise of thousands of values. Li and He 2025, arXiv:2511.13720; t is at least 0.05 there, and here.
class clip_network : public fewstep::text_unet_network<float> {
  using unet_type = fewstep::text_unet_network<float>;
  using matrix = fewstep::matrix<float>;

 public:
  static constexpr std::string_view name = "clip_network";
  struct tape : unet_type::tape {
    fewstep::vec<const float> times;
  };
  using unet_type::unet_type;

  template <class Pass>
  matrix forward(Pass& p, fewstep::matrix<const float> x, fewstep::vec<const float> times,
                 fewstep::context_rows<fewstep::token_list> contexts, tape& kept) const {
    kept.times = times;
    const matrix o = unet_type::forward(p, x, times, contexts, kept);
    p.executor.for_each(x.rows(), [=](fewstep::index_t r) {
      for (fewstep::index_t d = 0; d < x.cols(); ++d) o(r, d) = (x(r, d) - o(r, d)) / std::max(times[r], 0.05f);
    });
    return o;
  }

  template <class Pass>
  matrix backward(Pass& p, fewstep::matrix<const float> gy, const tape& kept) const {
    const matrix of_unet = p.memory.template allocate<float, 2>(gy.extents);
    p.executor.for_each(gy.rows(), [=, times = kept.times](fewstep::index_t r) {
      for (fewstep::index_t d = 0; d < gy.cols(); ++d) of_unet(r, d) = -gy(r, d) / std::max(times[r], 0.05f);
    });
    const matrix gx = unet_type::backward(p, of_unet, kept);
    if (p.arrays.input_gradient)
      p.executor.for_each(gx.size(), [=](fewstep::index_t i) { gx.data[i] -= of_unet.data[i]; });
    return gx;
  }
};

using clip_generator = fewstep::network_generator<fewstep::cpu_backend, clip_network, fewstep::flow_matching>;

}  // namespace moving_emoji

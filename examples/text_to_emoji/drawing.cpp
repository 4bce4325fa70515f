// SPDX-License-Identifier: Apache-2.0
#include "drawing.hpp"

#include "emoji_data.hpp"

#include <fewstep/image/picture_grid.hpp>
#include <fewstep/image/png.hpp>
#include <fewstep/mdp/rollout.hpp>
#include <fewstep/sampler/consistency.hpp>
#include <fewstep/sampler/time_grid.hpp>

#include <algorithm>

namespace text_to_emoji {
namespace {

using fewstep::index_t;

fewstep::step_table drawing_table(const fewstep::edm_consistency& p, const std::vector<float>& times) {
  if (times.size() != 1) return fewstep::consistency_sampler{.times = times}.table(p, static_cast<int>(times.size()));
  // One call is no policy, only a picture.
  const float time = times.front();
  const auto [in, skip, out] = p(time);
  return {{{time, p.min_time(), skip, out, 0.0f, in, skip, out}}, 0, fewstep::emitted::clean, initial_sigma(p, time)};
}

}  // namespace

std::vector<float> times_for(int calls) {
  switch (calls) {
    case 1:
      return {40};
    case 2:
      return {40, 1.5f};
    case 4:
      return {40, 6, 2, 0.6f};
    case 8:
      return {40, 20, 10, 6, 3.5f, 2, 1, 0.5f};
    default:
      return fewstep::default_times(emoji_preconditioning, calls);
  }
}

std::vector<float> draw_pictures(fewstep::cpu_backend& backend, emoji_generator& model,
                                 std::span<const fewstep::token_list> contexts, const std::vector<float>& times,
                                 std::uint64_t seed, std::uint64_t first) {
  constexpr std::size_t at_once = 64;
  const index_t size = model.sample_size();
  const auto table = drawing_table(model.preconditioner(), times);
  auto workspace = model.make_workspace(backend, 0);
  std::vector<float> pictures, output(at_once * static_cast<std::size_t>(size));
  for (std::size_t done = 0; done < contexts.size(); done += at_once) {
    const auto part = contexts.subspan(done, std::min(at_once, contexts.size() - done));
    const auto count = static_cast<index_t>(part.size());
    fewstep::trajectory<fewstep::cpu_backend, fewstep::token_list> path(backend, table, count, size);
    for (index_t i = 0; i < count; ++i) path.set_context(i, part[static_cast<std::size_t>(i)]);
    rollout(backend, model, workspace, path, fewstep::matrix<float>{output.data(), {count, size}},
            {.seed = seed, .first = first + done}, fewstep::reduction::mean, 0, count);
    const auto result = path.result();
    for (index_t i = 0; i < result.size(); ++i) pictures.push_back(std::clamp(result.data[i], -1.0f, 1.0f));
  }
  return pictures;
}

void save_picture_grid(const std::filesystem::path& path, std::span<const float> pictures, int columns, int scale) {
  const index_t size = emoji_data::picture_size;
  const fewstep::matrix<const float> rows{pictures.data(), {static_cast<index_t>(pictures.size()) / size, size}};
  fewstep::save_png(path, fewstep::picture_grid(rows, emoji_data::side, emoji_data::side, columns,
                                                {.padding = 2 * scale, .scale = scale}));
}

}  // namespace text_to_emoji

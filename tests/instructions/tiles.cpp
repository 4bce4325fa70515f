// SPDX-License-Identifier: Apache-2.0
// Every tile of the product kernels, for no-split-chains.sh to look at.
#include <fewstep/backend/cpu/tile.hpp>

namespace fewstep::detail {

#define TILE(T, ROWS, PACKETS)                                                                                    \
  template void tile_product<T, ROWS, PACKETS>(index_t, index_t, const T* const*, const T*, index_t, T*, index_t, \
                                               bool, const T*);                                                   \
  template void tile_outer<T, ROWS, PACKETS>(index_t, const T* const*, index_t, const T*, index_t, T*, index_t, bool);
#define TILES(T, ROWS) TILE(T, ROWS, 1) TILE(T, ROWS, 2) TILE(T, ROWS, 3)
TILES(float, 1)
TILES(float, 2)
TILES(float, 4)
TILES(double, 1)
TILES(double, 2)
TILES(double, 4)

}  // namespace fewstep::detail

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fewstep/core/view.hpp>

namespace fewstep {

/// How the rows of a batch go through a network: more at a time use its weights more often, and their activations leave
/// a core's second-level cache. A device wants enough of them to be busy everywhere.
struct row_groups {
  index_t rows = 0;      ///< that go through the network together, on one thread
  index_t in_block = 1;  ///< groups whose gradients add up before they join the total
  index_t least = 1;     ///< rows of a prediction that are worth a thread

  /// Rows of a few numbers.
  [[nodiscard]] static constexpr row_groups of_vectors(bool on_host) {
    return on_host ? row_groups{32, 1, 32} : row_groups{512, 1, 512};
  }
  [[nodiscard]] static constexpr row_groups of_pictures(bool on_host) {
    return on_host ? row_groups{4, 2, 1} : row_groups{64, 1, 1};
  }
  /// A network's own, groups(on_host); where it has none it is taken to be one of vectors.
  template <class Network>
  [[nodiscard]] static constexpr row_groups of(bool on_host) {
    if constexpr (requires { Network::groups(on_host); })
      return Network::groups(on_host);
    else
      return of_vectors(on_host);
  }
};

}  // namespace fewstep

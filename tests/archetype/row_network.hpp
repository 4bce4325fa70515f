// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fewstep/generator/row_generator.hpp>

/// Models of fewstep::row_network, with a tape and without, and models that lack one requirement each.
namespace row_network_archetype {

using fewstep::index_t;
using fewstep::vec;

enum class drop { nothing, sample_size, forward, const_forward, backward, default_tape, copy_of_tape };

struct context {
  int number;
};
using row = fewstep::network_row<context>;

template <drop D = drop::nothing>
struct archetype {
  using context_type = context;
  index_t sample_size() const requires(D != drop::sample_size);
  void forward(vec<const float>, const row&, vec<float>) const requires(D != drop::forward && D != drop::const_forward);
  void forward(vec<const float>, const row&, vec<float>) requires(D == drop::const_forward);
  void backward(vec<const float>, const row&, vec<const float>, vec<float>) const requires(D != drop::backward);
};

template <drop D = drop::nothing>
struct with_tape {
  using context_type = context;
  struct tape {
    tape() requires(D != drop::default_tape);
    tape(const tape&) requires(D != drop::copy_of_tape);
  };
  index_t sample_size() const;
  void forward(vec<const float>, const row&, vec<float>, tape&) const requires(D != drop::forward);
  void backward(vec<const float>, const row&, vec<const float>, vec<float>, const tape&) const
      requires(D != drop::backward);
};

struct without_context_type : archetype<> {
 private:
  using context_type = context;
};

}  // namespace row_network_archetype

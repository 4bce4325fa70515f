// SPDX-License-Identifier: Apache-2.0
#include "archetype/row_network.hpp"

using namespace row_network_archetype;
using fewstep::row_generator;

void make() {
  row_generator complete(archetype<>{}, {1});
  row_generator first(without_context_type{}, {1});           // error: fewstep::row_network: context_type is missing
  row_generator second(archetype<drop::sample_size>{}, {1});  // error: fewstep::row_network: index_t sample_size
  row_generator third(archetype<drop::forward>{}, {1});       // error: fewstep::row_network: void forward.* o\) const
  row_generator fourth(archetype<drop::backward>{}, {1});     // error: fewstep::row_network: void backward.* gradient\)
  row_generator fifth(with_tape<drop::forward>{}, {1});       // error: fewstep::row_network: void forward.* tape&\)
  row_generator sixth(with_tape<drop::backward>{}, {1});      // error: fewstep::row_network: void backward.* tape&\)
  row_generator seventh(with_tape<drop::default_tape>{}, {1});  // error: fewstep::row_network: tape must be default
  row_generator eighth(with_tape<drop::copy_of_tape>{}, {1});   // error: fewstep::row_network: tape must be .* copyable
}

// SPDX-License-Identifier: Apache-2.0
#include <fewstep/generator/conditioning.hpp>

struct with_a_count {
  float position[2];
  int steps;
};
struct usual {
  float position[2], velocity[2];
};

template struct fewstep::observation_conditioning<usual>;
template struct fewstep::observation_conditioning<with_a_count>;  // error: not every member of the observation is a
                                                                  // float

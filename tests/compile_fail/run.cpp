// SPDX-License-Identifier: Apache-2.0
#include "support/gaussian_consistency.hpp"

#include <fewstep/fewstep.hpp>

#include <string>
#include <vector>

struct brightness {
  template <class Context>
  void operator()(fewstep::matrix<const float>, std::span<const Context>, std::span<float>) {}
};

void refused(fewstep::cpu_backend& backend, fewstep::test::gaussian_consistency& without_encode) {
  auto trainer = fewstep::rlcm(backend, without_encode, brightness{}, fewstep::sgd{});
  (void)trainer.run({0, 1}, 2);
  (void)trainer.run(std::vector<double>{1}, 2);           // error: a trainer runs on contexts or on texts
  (void)trainer.run(std::vector<std::string>{"cat"}, 2);  // error: the generator has no context_type encode
}

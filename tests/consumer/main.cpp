// SPDX-License-Identifier: Apache-2.0
#include <fewstep/core/error.hpp>
#include <fewstep/core/view.hpp>

#include <Eigen/Core>
#include <vector>

int main() {
  std::vector<float> values(6, 1.0f);
  const fewstep::matrix<float> view(values.data(), {2, 3});
  const Eigen::Map<const Eigen::VectorXf> mapped(view.data, view.size());
  fewstep::expects(mapped.sum() == 6.0f, "the sum of six ones is not six");
}

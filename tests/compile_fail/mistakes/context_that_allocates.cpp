// SPDX-License-Identifier: Apache-2.0
#include <fewstep/fewstep.hpp>

#include <string>

using namespace fewstep;

struct my_generator {
  //! [mistake]
  using context_type = std::string;
  //! [mistake]
  struct workspace_type {};
  index_t sample_size() const { return 2; }
  edm_consistency preconditioner() const { return {}; }
  workspace_type make_workspace(cpu_backend&, index_t) { return {}; }
  std::size_t workspace_bytes(const cpu_backend&, index_t) const { return 0; }
  void predict(cpu_backend&, batch<std::string>, matrix<float>, workspace_type&) {}
  void forward(cpu_backend&, batch<std::string>, matrix<float>, workspace_type&) {}
  void backward(cpu_backend&, batch<std::string>, matrix<const float>, workspace_type&) {}
  vec<float> parameters() { return {}; }
  vec<float> gradients() { return {}; }
};

int main() {
  cpu_backend backend;
  my_generator generator;
  auto reward = per_sample([](vec<const float> x, const std::string&) { return x[0]; });
  auto trainer = rlcm(backend, generator, reward, adam{});  // error: fewstep::predictor: context_type is missing or not
  trainer.update(std::vector<std::string>{"a red heart"});
}

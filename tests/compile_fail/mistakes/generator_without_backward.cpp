// SPDX-License-Identifier: Apache-2.0
#include <fewstep/fewstep.hpp>

using namespace fewstep;

struct my_generator {
  using context_type = int;
  struct workspace_type {};
  index_t sample_size() const { return 2; }
  edm_consistency preconditioner() const { return {}; }
  workspace_type make_workspace(cpu_backend&, index_t) { return {}; }
  std::size_t workspace_bytes(const cpu_backend&, index_t) const { return 0; }
  void predict(cpu_backend&, batch<int>, matrix<float>, workspace_type&) {}
  void forward(cpu_backend&, batch<int>, matrix<float>, workspace_type&) {}
  vec<float> parameters() { return {}; }
  vec<float> gradients() { return {}; }
};

int main() {
  cpu_backend backend;
  my_generator generator;
  auto reward = per_sample([](vec<const float> x, int) { return x[0]; });
  //! [mistake]
  auto trainer = rlcm(backend, generator, reward, adam{});  // error: fewstep::generator: void backward
  //! [mistake]
  for (const auto& update : trainer.run(std::vector<int>{0}, 100)) static_cast<void>(update);
}

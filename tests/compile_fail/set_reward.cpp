// SPDX-License-Identifier: Apache-2.0
#include "archetype/set_reward.hpp"

#include <fewstep/fewstep.hpp>

using namespace set_reward_archetype;
template <drop D>
using of_reward = fewstep::set_judge<encoder<>, archetype<D>>;
template <drop D>
using of_encoder = fewstep::set_judge<encoder<D>, archetype<>>;
using contexts = std::span<const int>;
using labels = fewstep::matrix<float>;

void complete(of_reward<drop::nothing>& judge, features x, contexts c, labels l) { judge(x, x, c, l); }
void without_call(of_reward<drop::call>& judge, features x, contexts c, labels l) {
  judge(x, x, c, l);  // error: fewstep::set_reward: double operator
}
void without_result(of_reward<drop::result>& judge, features x, contexts c, labels l) {
  judge(x, x, c, l);  // error: fewstep::set_reward: double operator
}
void without_constness(of_reward<drop::constness>& judge, features x, contexts c, labels l) {
  judge(x, x, c, l);  // error: fewstep::set_reward: double operator
}
void without_count(of_encoder<drop::count>& judge, features x, contexts c, labels l) {
  judge(x, x, c, l);  // error: fewstep::feature_encoder: index_t features
}
void without_encoding(of_encoder<drop::encoding>& judge, features x, contexts c, labels l) {
  judge(x, x, c, l);  // error: fewstep::feature_encoder: index_t features
}

// SPDX-License-Identifier: Apache-2.0
#include <fewstep/core/settings.hpp>

#include "support/settings.hpp"
#include "test.hpp"

#include <fewstep/fewstep.hpp>
#include <fewstep/image/jpeg_reward.hpp>
#include <fewstep/io/checkpoint.hpp>
#include <fewstep/log/svg_plot.hpp>
#include <fewstep/monitor/bootstrap.hpp>
#include <fewstep/process/external_reward.hpp>
#include <fewstep/reward_model/contrastive_training.hpp>
#include <fewstep/reward_model/labelling_rule.hpp>
#include <fewstep/reward_model/preference_reward.hpp>
#include <fewstep/reward_model/preference_training.hpp>
#include <fewstep/testing/check_generator.hpp>

#include <unistd.h>

#include <filesystem>
#include <limits>
#include <string>
#include <vector>

using namespace fewstep;

namespace {

constexpr float not_a_number = std::numeric_limits<float>::quiet_NaN(),
                infinity = std::numeric_limits<float>::infinity();

struct inner_options {
  double depth = 2;
  template <class Visitor>
  void settings(Visitor& visit) const {
    visit("depth", depth, at_least(1).below(3));
  }
};
struct some_options {
  float rate = 0.5f;
  int count = 1;
  std::vector<float> times = {};
  std::optional<int> from = {};
  inner_options inner{};

  static constexpr std::string_view name = "some";
  template <class Visitor>
  void settings(Visitor& visit) const {
    visit("rate", rate, above(0));
    visit("count", count, between(1, 4).remark("four at most"));
    visit("times", times);
    visit("from", from, at_least(0));
    visit("inner", inner);
  }
};

/// S names every member but so many that are no settings.
template <class S>
void names_all_of(std::size_t others = 0) {
  const S object{};
  test::counting_visitor visit;
  object.settings(visit);
  INFO(detail::name_of<S>());
  CHECK(visit.count + others == test::members<S>());
}

/// Every number of an object is refused where it is NaN, infinite or out of its range, by its name.
template <class S>
void refuses_in(S object) {
  CHECK_NOTHROW(check_settings(object));
  for (const test::number_setting& number : test::numbers_in(object)) {
    for (const double wrong : number.wrong()) {
      number.set(wrong);
      INFO(detail::name_of<S>() << ": " << number.name << " = " << wrong);
      CHECK_THROWS_WITH(check_settings(object), contains(number.name.substr(number.name.rfind('.') + 1) + " is "));
    }
    number.set(number.value);
  }
  CHECK_NOTHROW(check_settings(object));
}

using small_model = mlp_generator<cpu_backend>;
using unet_model = text_unet<cpu_backend>;

}  // namespace

TEST_CASE("settings: a range says where a number may lie") {
  CHECK(at_least(0).holds(0));
  CHECK_FALSE(at_least(0).holds(-1e-9));
  CHECK_FALSE(above(0).holds(0));
  CHECK(at_least(0).below(1).holds(0.999));
  CHECK_FALSE(at_least(0).below(1).holds(1));
  CHECK(between(1, 4).holds(4));
  for (const valid_range& range : {valid_range{}, at_least(0), above(0), between(0, 1)}) {
    CHECK_FALSE(range.holds(static_cast<double>(not_a_number)));
    CHECK_FALSE(range.holds(static_cast<double>(infinity)));
    CHECK_FALSE(range.holds(-static_cast<double>(infinity)));
  }
  CHECK(above(0).or_infinite().holds(static_cast<double>(infinity)));
  CHECK_FALSE(above(0).or_infinite().holds(-static_cast<double>(infinity)));
  CHECK_FALSE(valid_range{}.or_infinite().holds(static_cast<double>(not_a_number)));

  CHECK(at_least(1).text(true) == "at least 1");
  CHECK(at_least(0).text(false) == "at least 0 and finite");
  CHECK(at_least(0).below(1).text(false) == "in [0, 1)");
  CHECK(between(1, 16).text(true) == "from 1 to 16");
  CHECK(above(0).or_infinite().text(false) == "above 0, or +infinity");
  CHECK(valid_range{}.text(false) == "finite");
  CHECK(at_least(0).remark("0: none").text(true) == "at least 0 (0: none)");
}

TEST_CASE("settings: an error names the struct and the field with its value and where it may lie") {
  CHECK_NOTHROW(checked(some_options{}));
  CHECK(checked(some_options{.count = 3}).count == 3);
  CHECK_THROWS_WITH(checked(some_options{.rate = not_a_number}),
                    contains("some: rate is nan; it must be above 0 and finite [settings.cpp:"));
  CHECK_THROWS_AS(checked(some_options{.rate = not_a_number}), std::invalid_argument);
  CHECK_THROWS_WITH(checked(some_options{.count = 5}),
                    contains("some: count is 5; it must be from 1 to 4 (four at most)"));
  CHECK_THROWS_WITH(checked(some_options{.times = {1, infinity}}),
                    contains("some: times[1] is inf; it must be finite"));
  CHECK_THROWS_WITH(checked(some_options{.from = -1}), contains("some: from is -1; it must be at least 0"));
  CHECK_THROWS_WITH(checked(some_options{.inner = {.depth = 3}}),
                    contains("some: inner.depth is 3; it must be in [1, 3)"));
}

TEST_CASE("settings: no member of a struct that is set is forgotten") {
  names_all_of<some_options>();
  names_all_of<adam>();
  names_all_of<adamw>(1);  // decay_on is named where it is not the default
  names_all_of<sgd>();
  names_all_of<linear_schedule>();
  names_all_of<cosine_schedule>();
  names_all_of<clipped_surrogate>();
  names_all_of<guarded_surrogate>();
  names_all_of<divergence_mask>();
  names_all_of<reward_regression>();
  names_all_of<reinforce>();
  names_all_of<reward_loss>();
  names_all_of<reward_check>();
  names_all_of<batch_advantage>();
  names_all_of<group_advantage>(2);          // scratch
  names_all_of<prompt_buffer_advantage>(1);  // memory
  names_all_of<kl_to_reference<small_model>::options>();
  names_all_of<consistency_sampler>();
  names_all_of<lcm_sampler>();
  names_all_of<cps_sampler>();
  names_all_of<ddim_sampler>();
  names_all_of<flow_sde_sampler>();
  names_all_of<dance_sde_sampler>();
  names_all_of<sliding_window>();
  names_all_of<random_window>();
  names_all_of<all_steps>();
  names_all_of<consistency_times>();
  names_all_of<consistency_regularizer_options>();
  names_all_of<batch_options>();
  names_all_of<training_options>();
  names_all_of<policy_gradient_options>(1);  // store_states_as is named where it is not the default
  names_all_of<direct_reward_gradient_options>();
  names_all_of<consistency_training_options>();
  names_all_of<contrastive_training_options>();
  names_all_of<preference_training_options>();
  names_all_of<guided_options>();
  names_all_of<lora_options>();
  names_all_of<edm_consistency>();
  names_all_of<edm_denoiser>();
  names_all_of<scaled_linear_schedule>();
  names_all_of<epsilon_prediction>();
  names_all_of<velocity_prediction>();
  names_all_of<lcm>();
  names_all_of<flow_matching>();
  names_all_of<variance_preserving<edm_denoiser>>();
  names_all_of<rectified_flow<edm_denoiser>>();
  names_all_of<mlp_network<float>::options_type>();
  names_all_of<small_model::options>();
  names_all_of<unet_options>();
  names_all_of<text_unet_options>();
  names_all_of<unet_model::options>();
  names_all_of<linear<float>::options>();
  names_all_of<conv2d<float>::options>();
  names_all_of<image_encoder_options>();
  names_all_of<text_encoder_options>();
  names_all_of<two_tower_options>();
  names_all_of<preference_options>();
  names_all_of<two_tower<cpu_backend>::options>();
  names_all_of<labelling_rule>();
  names_all_of<labelling_options>();
  names_all_of<reward_scale>();
  names_all_of<jpeg_settings>();
  names_all_of<jpeg_compressibility>();
  names_all_of<per_sample_settings>();
  names_all_of<async_settings>();
  names_all_of<bootstrap_settings>();
  names_all_of<check_generator_options>();
  names_all_of<plot_settings>(3);  // texts
  names_all_of<policy_gradient_parts<>>();
  names_all_of<direct_reward_gradient_parts<>>();
  names_all_of<logistic_link>();
  names_all_of<hinge_link>();
  names_all_of<squared_link>();
  names_all_of<identity_link>();
  names_all_of<utility_link>();
  names_all_of<odds_ratio_link>();
  names_all_of<clipped_link<logistic_link>>();
  names_all_of<winner_safeguard>();
  names_all_of<segment_map>();
  names_all_of<uniform_times>();
  names_all_of<logit_normal_times>();
  names_all_of<listed_times>();
  names_all_of<corrupted_pairs_options>();
  names_all_of<inverted_pairs_options>();
  names_all_of<trajectory_pairs_options>();
  names_all_of<regenerated_pairs_options>();
  names_all_of<sampled_pairs_options>();
  names_all_of<mixed_pairs_options>();
  names_all_of<reward_judge_options>();
  names_all_of<step_pairs_options>();
  names_all_of<preference_optimization_options>();
  names_all_of<preference_parts<>>();
  names_all_of<moving_reference<small_model>::options>();
  // Not the row's: a state may be anywhere.
  names_all_of<step_row>();
  names_all_of<external_reward_settings>(2);  // texts
}

TEST_CASE("settings: NaN and infinity and what is out of range are refused in every number of every struct") {
  refuses_in(some_options{.times = {1, 2}, .from = 1});
  refuses_in(adam{});
  refuses_in(adamw{});
  refuses_in(sgd{});
  refuses_in(linear_schedule{});
  refuses_in(cosine_schedule{});
  refuses_in(clipped_surrogate{});
  refuses_in(guarded_surrogate{});
  refuses_in(divergence_mask{});
  refuses_in(reward_regression{});
  refuses_in(reward_loss{});
  refuses_in(batch_advantage{});
  refuses_in(group_advantage{});
  refuses_in(prompt_buffer_advantage{});
  refuses_in(kl_to_reference<small_model>::options{});
  refuses_in(consistency_sampler{.times = {3, 2, 1}});
  refuses_in(lcm_sampler{});
  refuses_in(cps_sampler{});
  refuses_in(ddim_sampler{});
  refuses_in(flow_sde_sampler{});
  refuses_in(dance_sde_sampler{});
  refuses_in(sliding_window{});
  refuses_in(random_window{});
  refuses_in(consistency_regularizer_options{});
  refuses_in(usual_policy_gradient_options());
  refuses_in(with_defaults({.jump_from = 1}, usual_direct_reward_gradient_options()));
  refuses_in(consistency_training_options{});
  refuses_in(contrastive_training_options{});
  refuses_in(preference_training_options{});
  refuses_in(guided_options{});
  refuses_in(lora_options{});
  refuses_in(edm_consistency{});
  refuses_in(edm_denoiser{});
  refuses_in(epsilon_prediction{});
  refuses_in(velocity_prediction{});
  refuses_in(lcm{});
  refuses_in(variance_preserving<edm_denoiser>{});
  refuses_in(rectified_flow<edm_denoiser>{});
  refuses_in(small_model::options{});
  refuses_in(
      unet_model::options{.network = {.unet = {}, .vocabulary = 9, .frequencies = {1, 2}}, .lora = lora_options{}});
  refuses_in(linear<float>::options{});
  refuses_in(conv2d<float>::options{});
  refuses_in(image_encoder_options{});
  refuses_in(text_encoder_options{.vocabulary = 9});
  refuses_in(two_tower<cpu_backend>::options{.network = {.image = {}, .vocabulary = 9}});
  refuses_in(preference_options{.image = {}, .reads_texts = true, .vocabulary = 9});
  refuses_in(labelling_rule{});
  refuses_in(labelling_options{});
  refuses_in(reward_scale{});
  refuses_in(jpeg_settings{});
  refuses_in(per_sample_settings{});
  refuses_in(async_settings{});
  refuses_in(bootstrap_settings{});
  refuses_in(check_generator_options{});
  refuses_in(plot_settings{});
  refuses_in(external_reward_settings{.command = {"judge"}});
  refuses_in(logistic_link{});
  refuses_in(hinge_link{});
  refuses_in(squared_link{});
  refuses_in(identity_link{});
  refuses_in(utility_link{});
  refuses_in(odds_ratio_link{});
  refuses_in(clipped_link<logistic_link>{});
  refuses_in(winner_safeguard{});
  refuses_in(segment_map{});
  refuses_in(logit_normal_times{});
  refuses_in(listed_times{{1, 2}});
  refuses_in(corrupted_pairs_options{.comparisons = 8, .scale = 0.5f});
  refuses_in(inverted_pairs_options{});
  refuses_in(trajectory_pairs_options{.horizon = 4});
  refuses_in(regenerated_pairs_options{});
  refuses_in(sampled_pairs_options{});
  refuses_in(mixed_pairs_options{});
  refuses_in(reward_judge_options{});
  refuses_in(step_pairs_options{10, 20, 4, 4, 0.3f});
  refuses_in(preference_optimization_options{.optimizer_steps = 2});
  refuses_in(moving_reference<small_model>::options{});
}

TEST_CASE("settings: a checkpoint compares vectors by length and by element") {
  const auto with = [](std::vector<float> times) {
    return [times](auto& archive) { match_settings(archive, some_options{.times = times}); };
  };
  const auto path = std::filesystem::temp_directory_path() / ("fewstep-settings-" + std::to_string(::getpid()));
  save_checkpoint(path, with({3, 2}));
  CHECK_NOTHROW(load_checkpoint(path, with({3, 2})));
  CHECK_THROWS_WITH(load_checkpoint(path, with({3, 1})), contains("was made with times[1] = 2, but this run has 1"));
  CHECK_THROWS_WITH(load_checkpoint(path, with({3})), contains("was made with times.size() = 2, but this run has 1"));
  std::filesystem::remove(path);
}

// SPDX-License-Identifier: Apache-2.0
// Not among the tests of ctest, for it takes minutes: app_tests "[kills]". The number of kills is that of the variable
// FEWSTEP_KILLS (200), and the numbers are drawn from FEWSTEP_SEED (a random one, which is printed).
#include "app/application.hpp"
#include "test.hpp"

#include <cstdio>
#include <functional>
#include <map>
#include <random>
#include <set>

namespace {

namespace fs = std::filesystem;
using seconds = std::chrono::duration<double>;

unsigned long number_in(const char* variable, unsigned long otherwise) {
  const char* const text = std::getenv(variable);
  return text != nullptr ? std::strtoul(text, nullptr, 10) : otherwise;
}

/// Name and content of what a run leaves, without times and TensorBoard's events.
std::map<std::string, std::string> results_in(const fs::path& folder) {
  std::map<std::string, std::string> all;
  for (const auto& entry : fs::directory_iterator(folder)) {
    const auto name = entry.path().filename().string();
    if (name == "tensorboard") continue;
    all[name] = name == "metrics.csv" ? without_times(entry.path()) : text_of(entry.path());
  }
  all.erase("settings.json");  // has the number of updates between checkpoints
  return all;
}

/// One kind of run, killed at random moments until it ends, again and again.
class killed_run {
 public:
  using command = std::function<std::vector<std::string>(const std::string& output, const std::string& every)>;

  killed_run(const playground& here, std::string name, command arguments)
      : here_(here), name_(std::move(name)), arguments_(std::move(arguments)) {
    const auto begin = std::chrono::steady_clock::now();
    const auto end = here_.run(arguments_(name_ + " unbroken", "3"));
    INFO(end.output);
    REQUIRE(end.exited_with(0));
    duration_ = std::chrono::steady_clock::now() - begin;
    expected_ = results_in(here_ / (name_ + " unbroken"));
  }

  /// Starts or goes on with the run and kills it at a random moment; true if it was killed. What has ended is compared.
  bool kill_once(std::mt19937_64& random) {
    const std::string output = name_ + " broken";
    application run(arguments_(output, std::to_string(1 + random() % 3)), here_.log());
    std::this_thread::sleep_for(duration_ * std::uniform_real_distribution<double>(0, 0.8)(random));
    run.send(SIGKILL);
    const auto end = run.wait();
    if (end.died_by(SIGKILL)) {
      ++kills_;
      return true;
    }
    INFO(name_ << " after " << kills_ << " kills\n" << end.output);
    REQUIRE(end.exited_with(0));
    compare();
    return false;
  }

  /// Ends the run that is under way.
  void finish() {
    const auto end = here_.run(arguments_(name_ + " broken", "3"));
    INFO(end.output);
    REQUIRE(end.exited_with(0));
    compare();
  }

  void print() const {
    std::printf("%s: %ld kills, %ld runs ended with the bytes of the unbroken one (%.2f s)\n", name_.c_str(), kills_,
                ended_, duration_.count());
  }

 private:
  void compare() {
    const auto found = results_in(here_ / (name_ + " broken"));
    std::set<std::string> names;
    for (const auto& [name, content] : found) names.insert(name);
    for (const auto& [name, content] : expected_) {
      CAPTURE(name_, name);
      REQUIRE(found.count(name) == 1);
      REQUIRE(found.at(name) == content);
      names.erase(name);
    }
    CAPTURE(names);
    CHECK(names.empty());  // no kill has left anything
    fs::remove_all(here_ / (name_ + " broken"));
    ++ended_;
  }

  const playground& here_;
  std::string name_;
  command arguments_;
  seconds duration_{};
  std::map<std::string, std::string> expected_;
  long kills_ = 0, ended_ = 0;
};

}  // namespace

TEST_CASE("runs that are killed at many random moments end as unbroken ones", "[.][kills]") {
  const unsigned long kills = number_in("FEWSTEP_KILLS", 200);
  const unsigned long seed = number_in("FEWSTEP_SEED", std::random_device{}());
  std::printf("%lu kills, seed %lu\n", kills, seed);
  std::mt19937_64 random(seed);
  const playground here;
  killed_run tuning(here, "finetune", [&](const std::string& output, const std::string& every) {
    return here.finetune(output, 20, {"--resume", "--checkpoint-every", every});
  });
  killed_run pretraining(here, "pretrain", [&](const std::string& output, const std::string& every) {
    return here.pretrain(output, 40, {"--resume", "--checkpoint-every", every});
  });
  for (unsigned long done = 0; done < kills;)
    if ((done % 2 == 0 ? tuning : pretraining).kill_once(random)) ++done;
  tuning.finish();
  pretraining.finish();
  tuning.print();
  pretraining.print();
}

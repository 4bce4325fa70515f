// SPDX-License-Identifier: Apache-2.0
#include "app/application.hpp"
#include "test.hpp"

namespace {

namespace fs = std::filesystem;

/// A copy of the script `run` in a folder of its own, whose cmake, ctest and apt-get only note that they were called.
class script {
 public:
  playground here;

  script() {
    fs::create_directories(here / "build" / "release");
    fs::create_directories(here / "bin");
    fs::copy_file(RUN_SCRIPT, here / "run");
    for (const char* name : {"cmake", "ctest", "apt-get", "sudo"})
      program(here / "bin" / name, "echo " + std::string(name) + " \"$@\" >> '" + called().string() + "'");
  }

  /// A shell script as a program.
  void program(const fs::path& path, const std::string& text) const {
    put_text(path, "#!/bin/sh\n" + text + "\n");
    fs::permissions(path, fs::perms::owner_all);
  }
  [[nodiscard]] fs::path called() const { return here / "called"; }
  [[nodiscard]] ending run(const std::vector<std::string>& arguments) const {
    std::vector<std::string> all{"PATH=" + (here / "bin").string() + ":" + std::getenv("PATH"), "bash",
                                 (here / "run").string()};
    all.insert(all.end(), arguments.begin(), arguments.end());
    return application(all, here.log(), 0, "/usr/bin/env").wait();
  }
};

}  // namespace

TEST_CASE("help of every command of run installs and builds nothing") {
  const script s;
  for (const std::vector<std::string>& command : std::vector<std::vector<std::string>>{{"demo", "--help"},
                                                                                       {"demo", "--updates", "3", "-h"},
                                                                                       {"paper", "--help"},
                                                                                       {"test", "--help"},
                                                                                       {"test", "cuda", "--help"},
                                                                                       {"gpu", "--help"},
                                                                                       {"bench", "--help"},
                                                                                       {"bench", "account", "--help"},
                                                                                       {"bench", "compile", "--help"},
                                                                                       {"bench", "instructions", "-h"},
                                                                                       {"format", "--help"},
                                                                                       {"install", "--help"},
                                                                                       {"--help"}}) {
    const auto end = s.run(command);
    INFO(command.front() << "\n" << end.output);
    CHECK(end.exited_with(0));
    CHECK(says(end, "Usage: ./run "));
    CHECK(says(end, "  " + (command.size() > 1 ? command.front() : "demo") + " "));
    const auto calls = text_of(s.called());
    CHECK(calls.find("cmake") == std::string::npos);
    CHECK(calls.find("apt-get") == std::string::npos);
  }
  // Where the program is built it says what it takes.
  fs::create_symlink(TEXT_TO_EMOJI, s.here / "build" / "release" / "text_to_emoji");
  CHECK(says(s.run({"demo", "--help"}), "--learning-rate"));
}

TEST_CASE("options of the user come after those that run passes and count") {
  const script s;
  fs::create_symlink(TEXT_TO_EMOJI, s.here / "build" / "release" / "text_to_emoji");
  auto arguments = s.here.finetune("elsewhere", 1);
  arguments.front() = "demo";
  const auto end = s.run(arguments);
  INFO(end.output);
  CHECK(end.exited_with(0));
  CHECK(fs::exists(s.here / "elsewhere" / "model.safetensors"));
  CHECK_FALSE(fs::exists(s.here / "demo"));

  const auto prints = [&](const char* name) {
    s.program(s.here / "build" / "release" / name, "for word; do echo \"<$word>\"; done");
  };
  for (const char* name : {"paper", "fewstep_bench"}) prints(name);
  CHECK(says(s.run({"paper", "--full", "--output", "x", "--plan", "tiny"}),
             "<study>\n<--plan>\n<full>\n<--output>\n<x>\n<--plan>\n<tiny>\n"));
  CHECK(says(s.run({"bench", "unet", "--benchmark_min_time=1"}),
             "<--benchmark_filter=unet>\n<--benchmark_min_time=1>\n"));
  CHECK(says(s.run({"bench", "--benchmark_min_time=1"}), "<--benchmark_filter=.>\n<--benchmark_min_time=1>\n"));
}

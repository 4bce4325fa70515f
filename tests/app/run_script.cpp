// SPDX-License-Identifier: Apache-2.0
#include "app/application.hpp"
#include "test.hpp"

namespace {

namespace fs = std::filesystem;

/// A copy of the script `run` and those behind it in a folder of its own, whose cmake, ctest and apt-get only note that
/// they were called, and where every package is installed.
class script {
 public:
  playground here;

  script() {
    fs::create_directories(here / "build" / "release");
    fs::create_directories(here / "bin");
    for (const char* name : {"run", "cmake/build.sh", "benchmarks/run.sh", "benchmarks/gpu/run.sh"}) {
      fs::create_directories((here / name).parent_path());
      fs::copy_file(fs::path(RUN_SCRIPT).parent_path() / name, here / name);
    }
    for (const char* name : {"cmake", "ctest", "apt-get", "sudo"})
      program(here / "bin" / name, "echo " + std::string(name) + " \"$@\" >> '" + called().string() + "'");
    program(here / "bin" / "dpkg-query", "for name; do printf 'installed/%s ' \"$name\"; done");
  }

  /// A shell script as a program.
  void program(const fs::path& path, const std::string& text) const {
    put_text(path, "#!/bin/sh\n" + text + "\n");
    fs::permissions(path, fs::perms::owner_all);
  }
  [[nodiscard]] fs::path called() const { return here / "called"; }
  [[nodiscard]] ending run(const std::vector<std::string>& arguments) const {
    std::vector<std::string> all{"bash", (here / "run").string()};
    all.insert(all.end(), arguments.begin(), arguments.end());
    return in_environment(all);
  }
  /// A command of the shell in the script's folder, with variables of the environment before it.
  [[nodiscard]] ending shell(const std::string& command, const std::vector<std::string>& variables = {}) const {
    std::vector<std::string> all = variables;
    for (const auto& word : {std::string("sh"), std::string("-c"), "cd '" + (here / "").string() + "' && " + command})
      all.push_back(word);
    return in_environment(all);
  }

 private:
  [[nodiscard]] ending in_environment(const std::vector<std::string>& command) const {
    // What the tests themselves may have been started with.
    std::vector<std::string> all{"--unset=CI", "--unset=RUN_YES",
                                 "PATH=" + (here / "bin").string() + ":" + std::getenv("PATH")};
    all.insert(all.end(), command.begin(), command.end());
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

TEST_CASE("run asks at a terminal before it installs packages") {
  const script s;
  s.program(s.here / "bin" / "dpkg-query", "");
  const auto installs = [&] { return text_of(s.called()).find("apt-get install") != std::string::npos; };
  const std::string at_terminal = "script -qec './run install format' /dev/null";

  auto end = s.shell("echo n | " + at_terminal);
  INFO(end.output);
  CHECK(end.exited_with(1));
  CHECK(says(end, "apt-get install clang-format-14? [Y/n]"));
  CHECK(says(end, "./run --yes"));
  CHECK_FALSE(installs());

  SECTION("yes") {
    end = s.shell("echo y | " + at_terminal);
    CHECK(says(end, "[Y/n]"));
    CHECK(installs());
  }
  SECTION("not with --yes") {
    end = s.shell("script -qec './run --yes install format' /dev/null < /dev/null");
    CHECK_FALSE(says(end, "[Y/n]"));
    CHECK(installs());
  }
  SECTION("not in CI") {
    end = s.shell(at_terminal + " < /dev/null", {"CI=true"});
    CHECK_FALSE(says(end, "[Y/n]"));
    CHECK(installs());
  }
  SECTION("not without a terminal, where root goes on and nobody else") {
    end = s.shell("./run install format < /dev/null");
    CHECK_FALSE(says(end, "[Y/n]"));
    CHECK(installs() == (::geteuid() == 0));
    CHECK(end.exited_with(::geteuid() == 0 ? 0 : 1));
  }
}

TEST_CASE("run gpu writes what failed and goes on") {
  const script s;
  CHECK(s.run({"gpu"}).exited_with(77) == !fs::exists("/dev/nvidia0"));
  s.program(s.here / "bin" / "nvidia-smi", "echo 'Some GPU, 1.2.3, 9.0'");
  s.program(s.here / "bin" / "nvcc", "echo 'Cuda compilation tools, release 13.0, V13.0.48'");
  s.program(s.here / "bin" / "compute-sanitizer", "test \"$2\" != racecheck || exit 99");
  s.program(s.here / "bin" / "python", "exit 1");
  fs::create_directories(s.here / "build" / "gpu");
  fs::create_directories(s.here / "docs");
  for (const char* name : {"cuda_tests", "fewstep_gpu_benchmarks"}) s.program(s.here / "build" / "gpu" / name, "");
  s.program(s.here / "build" / "gpu" / "fewstep_gpu_results", "cat \"$1\"");

  const auto end = s.shell("./run gpu", {"PYTHON=python"});
  INFO(end.output);
  CHECK(end.exited_with(1));
  const auto page = text_of(s.here / "docs" / "gpu-results.md");
  INFO(page);
  for (const char* line :
       {"device\tSome GPU, compute capability 9.0", "driver\t1.2.3", "CUDA\tnvcc 13.0", "tests\tpassed",
        "memcheck\tpassed", "racecheck\tFAILED (exit status 99)", "synccheck\tpassed", "benchmarks\tpassed",
        "beside PyTorch\tNOT RUN: python has no PyTorch that finds the GPU"})
    CHECK(page.find(std::string(line) + "\n") != std::string::npos);
  CHECK(text_of(s.called()).find("cmake --preset gpu -D CMAKE_CUDA_ARCHITECTURES=90\n") != std::string::npos);
}

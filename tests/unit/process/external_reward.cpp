// SPDX-License-Identifier: Apache-2.0
#include <fewstep/process/external_reward.hpp>

#include "support/arrays.hpp"
#include "support/processes.hpp"
#include "support/temporary_directory.hpp"
#include "test.hpp"

#include <fewstep/algorithm/rlcm.hpp>
#include <fewstep/backend/cpu/backend.hpp>
#include <fewstep/generator/mlp_generator.hpp>
#include <fewstep/io/checkpoint.hpp>
#include <fewstep/io/safetensors.hpp>
#include <fewstep/optimizer/adam.hpp>
#include <fewstep/reward/async.hpp>
#include <fewstep/reward/per_sample.hpp>

#include <cmath>
#include <functional>

using fewstep::external_reward;
using fewstep::external_reward_settings;
using fewstep::index_t;
using fewstep::matrix;
using fewstep::test::id_in;
using fewstep::test::is_running;
using fewstep::test::is_soon_dead;
using fewstep::test::shell;

namespace {

/// Reads the head of a batch: sets rows, columns and contexts (one word each).
const std::string read_head = R"(
  read -r word rows columns || exit 0
  [ "$word" = score ] || exit 99
  contexts= i=0
  while [ $i -lt $rows ]; do read -r context; contexts="$contexts $context"; i=$((i + 1)); done
)";
const std::string skip_samples = "\nhead -c $((4 * rows * columns)) > /dev/null\n";
/// Answers the first value of every sample.
const std::string answer_first_values = R"(
  head -c $((4 * rows * columns)) | od -A n -v -t f4 -w$((4 * columns)) |
    while read -r first rest; do echo "$first"; done
  echo end
)";
const std::string answer_contexts = skip_samples + "for context in $contexts; do echo $context; done; echo end\n";

std::string for_ever(const std::string& body) { return "while :; do " + read_head + body + "\ndone"; }

/// Three samples of two values, under the contexts 7, 8 and 9.
struct batch {
  std::vector<float> values{0.5f, 1, -1.25f, 2, 1e-3f, 3}, out = std::vector<float>(3, -777.0f);
  std::vector<std::int32_t> contexts{7, 8, 9};

  template <class Reward>
  std::vector<float> rated(Reward& by) {
    by(matrix<const float>(values.data(), {3, 2}), std::span<const std::int32_t>(contexts), std::span(out));
    return out;
  }
  template <class Reward>
  std::string failure(Reward& by) {
    try {
      rated(by);
    } catch (const std::runtime_error& error) {
      CHECK(out == std::vector<float>(3, -777.0f));
      return error.what();
    }
    return "it was rated";
  }
};

/// Files that a program finds again when it is started anew.
struct flags {
  temporary_directory folder;
  [[nodiscard]] std::string operator[](const std::string& name) const { return "'" + (folder / name).string() + "'"; }
};

}  // namespace

TEST_CASE("a process rates batch after batch") {
  external_reward values({.command = shell(for_ever(answer_first_values))});
  external_reward contexts({.command = shell(for_ever(answer_contexts))});
  batch b;
  for (int round = 0; round < 3; ++round) {
    b.values[0] = static_cast<float>(round);
    b.contexts[2] = -round;
    CHECK(b.rated(values) == std::vector<float>{static_cast<float>(round), -1.25f, 1e-3f});
    CHECK(b.rated(contexts) == std::vector<float>{7, 8, static_cast<float>(-round)});
  }
  CHECK(values.restarts() == 0);
  values(matrix<const float>(nullptr, {0, 2}), std::span<const std::int32_t>(), std::span<float>());
  CHECK_THROWS_WITH(values(matrix<const float>(b.values.data(), {3, 2}), std::span<const std::int32_t>(b.contexts),
                           std::span(b.out).first(2)),
                    contains("3 contexts and room for 2 rewards"));
}

TEST_CASE("contexts go over as a line of text, numbers without loss") {
  CHECK(fewstep::number_line{}(-3) == "-3");
  CHECK(fewstep::number_line{}(true) == "1");
  CHECK(fewstep::number_line{}(0.1f) == "0.1");
  CHECK(std::stod(fewstep::number_line{}(1.0 / 3)) == 1.0 / 3);

  external_reward named({.command = shell(for_ever(answer_contexts)), .name = "aesthetic"}, [](std::int32_t number) {
    return number == 9 ? std::string("2\n3") : "1" + std::to_string(number);
  });
  batch b;
  CHECK_THROWS_WITH(b.rated(named), contains("aesthetic: the context of sample 2 has the lines '2\n3'"));
  b.contexts[2] = 4;
  CHECK(b.rated(named) == std::vector<float>{17, 18, 14});
}

TEST_CASE("numbers are read in every notation, and blanks around them do not matter") {
  external_reward reward(
      {.command = shell(read_head + skip_samples + "printf '  -1.5e-2\\t\\r\\n1e-300\\n007\\nend\\r\\n'")});
  batch b;
  CHECK(b.rated(reward) == std::vector<float>{-1.5e-2f, 0, 7});
}

TEST_CASE("a program that crashes once is started anew and rates the same batch") {
  const flags flag;
  const std::string is_second = "[ -e " + flag["crashed"] + " ]";
  const std::string crash = is_second + " || { touch " + flag["crashed"] + "; exit 3; }\n";
  const std::vector<std::string> scripts{
      crash + for_ever(answer_first_values),                                        // before it reads
      for_ever(crash + answer_first_values),                                        // in a batch
      for_ever(is_second + " || printf '3\\n4.'\n" + crash + answer_first_values),  // in an answer
      for_ever(answer_first_values + "exit 0")};                                    // between two
  external_reward reward({.command = shell(scripts.at(GENERATE(0u, 1u, 2u, 3u)))});
  batch b;
  const std::vector<float> expected{0.5f, -1.25f, 1e-3f};
  CHECK(b.rated(reward) == expected);
  CHECK(b.rated(reward) == expected);
  CHECK(reward.restarts() == 1);
}

TEST_CASE("a program that always crashes is given up after the restarts") {
  const flags flag;
  const int restarts = GENERATE(0, 2);
  external_reward reward({.command = shell(for_ever("echo >> " + flag["starts"] + skip_samples + "echo 1; exit 3")),
                          .restarts = restarts,
                          .name = "aesthetic"});
  batch b;
  const std::string text = b.failure(reward);
  CHECK_THAT(text, contains("reward 'aesthetic': '/bin/sh -c ") &&
                       contains("exited with status 3 after 1 of 3 answers") &&
                       contains("gave up after " + std::to_string(restarts) + " restarts") && !contains("timeout"));
  CHECK(text_of(flag.folder / "starts").size() == static_cast<std::size_t>(restarts) + 1);
  CHECK(reward.restarts() == restarts);
}

TEST_CASE("a program that hangs is killed with all that it started") {
  const flags flag;
  external_reward reward({.command = shell(for_ever("sleep 1000 & echo $! > " + flag["grandchild"] + "; echo $$ > " +
                                                    flag["child"] + "; sleep 1000")),
                          .timeout = 0.3,
                          .restarts = 0});
  batch b;
  CHECK_THAT(b.failure(reward),
             contains("gave no answer within 0.3 s after 0 of 3 answers") && contains("raise timeout"));
  CHECK_FALSE(is_running(id_in(flag.folder / "child")));
  CHECK(is_soon_dead(id_in(flag.folder / "grandchild")));
}

TEST_CASE("the timeout is for the batch, not for a line") {
  external_reward slow({.command = shell(for_ever("for i in 1 2 3; do sleep 0.3; echo $i; done; echo end")),
                        .timeout = 0.5,
                        .restarts = 0});
  batch b;
  CHECK_THAT(b.failure(slow), contains("gave no answer within 0.5 s"));
}

TEST_CASE("a program may have no number for a sample") {
  external_reward reward(
      {.command = shell(for_ever(skip_samples + "printf '1\\nnan\\n3\\nend\\n'")), .name = "aesthetic"});
  batch b;
  b.rated(reward);
  CHECK(b.out[0] == 1);
  CHECK(std::isnan(b.out[1]));
  CHECK(b.out[2] == 3);
}

TEST_CASE("nonsense is an error at once, and the next call starts a new process") {
  struct reply {
    const char *text, *complaint;
  };
  const auto [text, complaint] = GENERATE(values<reply>({
      {"1\\nfine\\n3\\nend\\n", "answered 'fine' for sample 1 of 3 (context '8')"},
      {"1\\n2\\n\\nend\\n", "answered '' for sample 2 of 3 (context '9')"},
      {"1 2\\n3\\nend\\n", "answered '1 2' for sample 0 of 3"},
      {"1,5\\n2\\n3\\nend\\n", "answered '1,5' for sample 0 of 3"},
      {"0x10\\n2\\n3\\nend\\n", "answered '0x10' for sample 0 of 3"},
      {"NaN(3)\\n2\\n3\\nend\\n", "answered 'NaN(3)' for sample 0 of 3"},
      {"1\\n2\\n-inf\\nend\\n", "answered '-inf' for sample 2 of 3"},
      {"1\\n1e39\\n3\\nend\\n", "answered '1e39' for sample 1 of 3"},
      {"1e999\\n2\\n3\\nend\\n", "answered '1e999' for sample 0 of 3"},
      {"1\\n2\\nend\\n", "answered 'end' after 2 of 3 samples"},
      {"end\\n", "answered 'end' after 0 of 3 samples"},
      {"1\\n2\\n3\\n4\\nend\\n", "answered '4' after all 3 samples, where 'end' was due"},
      {"1\\n2\\n3\\nend\\n4\\n", "wrote more after the line 'end'"},
      {"Loading the model...\\n1\\n2\\n3\\nend\\n", "answered 'Loading the model...' for sample 0"},
  }));
  const flags flag;
  const std::string starts = "echo >> " + flag["starts"] + "\n";
  external_reward reward({.command = shell(starts + for_ever("if [ -e " + flag["repaired"] + " ]; then " +
                                                             answer_contexts + "else printf '" + text + "'; fi")),
                          .name = "aesthetic"});
  batch b;
  CHECK_THAT(b.failure(reward), contains("reward 'aesthetic': '/bin/sh -c ") && contains(complaint) &&
                                    contains("one finite number a line for each, then 'end'"));
  CHECK(text_of(flag.folder / "starts").size() == 1);
  CHECK(reward.restarts() == 0);
  put_text(flag.folder / "repaired", "");
  CHECK(b.rated(reward) == std::vector<float>{7, 8, 9});
}

TEST_CASE("what a program says between two batches does not pass for an answer") {
  external_reward reward({.command = shell(for_ever(answer_contexts + "sleep 0.1; echo 5")), .restarts = 0});
  batch b;
  CHECK(b.rated(reward) == std::vector<float>{7, 8, 9});
  b = {};
  CHECK_THAT(b.failure(reward), contains("answered '9' after all 3 samples"));
}

TEST_CASE("a large batch and a long answer block nobody") {
  const index_t rows = 512, columns = 3072;
  const auto values = fewstep::test::normals<float>(rows * columns, 5);
  const std::vector<std::int32_t> contexts(static_cast<std::size_t>(rows), 3);
  std::vector<float> out(contexts.size());
  const auto rate_with = [&](const std::string& body) {
    external_reward reward({.command = shell(for_ever(body)), .restarts = 0});
    reward(matrix<const float>(values.data(), {rows, columns}), std::span(contexts), std::span(out));
  };
  // Two megabytes are answered before a sample is read.
  rate_with("i=0; while [ $i -lt $rows ]; do printf '%04000d\\n' $i; i=$((i + 1)); done; echo end" + skip_samples);
  for (std::size_t i = 0; i < out.size(); ++i) REQUIRE(out[i] == static_cast<float>(i));
  rate_with(
      "head -c $((4 * rows * columns)) | cksum | { read -r sum length; i=0; while [ $i -lt $rows ]; do echo $length; "
      "i=$((i + 1)); done; }; echo end");
  CHECK(out == std::vector<float>(out.size(), static_cast<float>(4 * rows * columns)));
}

TEST_CASE("settings that cannot be are refused, and a program that is missing is named") {
  CHECK_THROWS_WITH(external_reward({}), contains("external_reward: the command is empty"));
  CHECK_THROWS_WITH(external_reward({.command = {"scorer"}, .timeout = 0, .name = "a"}),
                    contains("a: timeout is 0; it must be above 0"));
  CHECK_THROWS_WITH(external_reward({.command = {"scorer"}, .restarts = -1}),
                    contains("restarts is -1; it must be at least 0"));
}

TEST_CASE("a command whose program is missing or cannot be executed is refused at once and not for its time") {
  CHECK_THROWS_WITH(
      external_reward({.command = {"no-such-program", "--quickly"}}),
      "reward 'external_reward': cannot start 'no-such-program --quickly': No such file or directory; check "
      "the program's name, PATH and permissions");
  CHECK_THROWS_WITH(external_reward({.command = {"/"}}), contains("cannot start '/': Permission denied"));
  const temporary_directory folder;
  const std::string program = (folder / "scorer").string();
  put_text(program, "#!/no/such/interpreter\n");
  CHECK_THROWS_WITH(external_reward({.command = {program}}), contains("scorer': Permission denied"));

  // What only starting it can find out.
  std::filesystem::permissions(program, std::filesystem::perms::owner_all);
  external_reward reward({.command = {program}});
  batch b;
  const std::string text = b.failure(reward);
  CHECK_THAT(text, contains("cannot start '" + program + "': No such file or directory") && !contains("timeout"));
  CHECK(reward.restarts() == 0);

  external_reward by_shell({.command = shell("no-such-program 2> /dev/null")});
  CHECK_THAT(b.failure(by_shell), contains("exited with status 127 (which shells say where a command is not found)") &&
                                      !contains("timeout"));
}

TEST_CASE("the programs of the documentation answer") {
  const auto folder = std::filesystem::path(__FILE__).parent_path() / "../../../examples/rewards";
  std::vector<float> values(2 * 768);
  for (std::size_t i = 0; i < 768; ++i) values[i] = static_cast<float>(i * i % 97);
  const std::vector<std::int32_t> contexts{3, 5};
  std::vector<float> out(2);
  const auto rate_with = [&](const char* program, const char* script) {
    REQUIRE(std::filesystem::exists(folder / script));
    external_reward reward({.command = {program, (folder / script).string()}, .restarts = 0});
    reward(matrix<const float>(values.data(), {2, 768}), std::span(contexts), std::span(out));
  };
  rate_with("/bin/sh", "external.sh");
  CHECK(out[1] > 0);
  CHECK(out[0] > 2 * out[1]);
  try {
    (void)fewstep::child_process({"python3", "--version"});
  } catch (const fewstep::child_process_error&) {
    WARN("there is no python3, so external.py is not tried");
    return;
  }
  values[0] = 1;
  rate_with("python3", "external.py");
  CHECK(out == std::vector<float>{-2, -5});
}

namespace {

using mlp = fewstep::mlp_generator<fewstep::cpu_backend>;

template <class Reward>
auto make_trainer(fewstep::cpu_backend& backend, mlp& model, Reward reward) {
  return fewstep::rlcm(backend, model, std::move(reward), fewstep::adam{.learning_rate = 1e-2f},
                       {.horizon = 3, .batch = {.prompts = 4, .samples_per_prompt = 8}});
}

/// Parameters, optimizer, advantage and index, as a checkpoint has them: all but the settings of the reward.
template <class Trainer>
std::string state_of(Trainer& trainer) {
  const temporary_directory folder;
  fewstep::save_checkpoint(folder / "state", trainer);
  const auto file = fewstep::safetensors_file::load(folder / "state");
  std::string state;
  for (const std::string& name : file.names()) {
    if (name.starts_with("reward")) continue;
    const auto bytes = file.bytes(name);
    state.append(name).append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  }
  return state;
}

}  // namespace

TEST_CASE("a program that fails stops the update before anything has moved, and training goes on when it is repaired") {
  const bool aside = GENERATE(false, true);
  const flags flag;
  const std::string sick = "[ ! -e " + flag["sick"] + " ] || { " + GENERATE("exit 1", "echo well") + "; }\n";
  fewstep::cpu_backend backend({.threads = 1});
  mlp model(backend, {.network = {.dimension = 3, .classes = 4}, .seed = 3}),
      other(backend, {.network = {.dimension = 3, .classes = 4}, .seed = 3});
  const std::vector<std::int32_t> contexts{0, 1, 2, 3};
  // %.9g as od has it gives back the same float.
  auto native =
      make_trainer(backend, other, fewstep::per_sample([](fewstep::vec<const float> x, std::int32_t) { return x[0]; }));
  const auto check = [&](auto trainer) {
    native.update(contexts);
    trainer.update(contexts);
    CHECK(state_of(trainer) == state_of(native));
    put_text(flag.folder / "sick", "");
    CHECK_THROWS_WITH(trainer.update(contexts), contains("reward 'first value': "));
    CHECK(state_of(trainer) == state_of(native));
    std::filesystem::remove(flag.folder / "sick");
    native.update(contexts);
    trainer.update(contexts);
    CHECK(state_of(trainer) == state_of(native));
  };
  external_reward reward(
      {.command = shell(for_ever(sick + answer_first_values)), .restarts = 1, .name = "first value"});
  if (aside)
    check(make_trainer(backend, model, fewstep::async(std::move(reward))));
  else
    check(make_trainer(backend, model, std::ref(reward)));
}

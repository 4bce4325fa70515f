// SPDX-License-Identifier: Apache-2.0
#include <fewstep/advantage/prompt_history.hpp>
#include <fewstep/core/archive_within.hpp>
#include <fewstep/io/checkpoint.hpp>

#include "support/temporary_directory.hpp"
#include "support/test_seed.hpp"
#include "test.hpp"

#include <array>
#include <bit>
#include <cmath>
#include <limits>
#include <map>
#include <random>

namespace {

struct moments {
  std::vector<float> first;
  std::uint64_t steps = 0;

  template <class Archive>
  void serialize(Archive& archive) {
    archive("first", first);
    archive("steps", steps);
  }
  friend bool operator==(const moments&, const moments&) = default;
};

enum class phase : std::uint8_t { rollout, update };

struct run_state {
  std::vector<float> parameters = std::vector<float>(6);  // fixed length: saved through a view
  std::vector<double> curve;
  std::vector<std::int32_t> prompts;
  std::vector<std::int64_t> wide;
  std::array<std::uint32_t, 2> key{};
  std::uint64_t counter = 0;
  float rate = 0;
  double clock = 0;
  bool warm = false;
  phase now = phase::rollout;
  std::string text;
  std::vector<std::string> names;
  std::vector<moments> groups;
  std::vector<std::vector<float>> history;
  std::map<std::int64_t, double> means;
  moments inner;
  int horizon = 4;

  template <class Archive>
  void serialize(Archive& archive) {
    archive("parameters",
            fewstep::matrix<float>(parameters.data(), {2, static_cast<std::int64_t>(parameters.size()) / 2}));
    archive("curve", curve);
    archive("prompts", prompts);
    archive("wide", wide);
    archive("key", key);
    archive("counter", counter);
    archive("rate", rate);
    archive("clock", clock);
    archive("warm", warm);
    archive("now", now);
    archive("text", text);
    archive("names", names);
    archive("groups", groups);
    archive("history", history);
    auto section = archive.scope("inner");
    inner.serialize(section);
    archive.must_match("horizon", horizon);

    std::vector<std::int64_t> keys;
    std::vector<double> values;
    if constexpr (Archive::saves)
      for (const auto& [key_, value] : means) keys.push_back(key_), values.push_back(value);
    archive("means.keys", keys);
    archive("means.values", values);
    if constexpr (Archive::loads) {
      means.clear();
      for (std::size_t i = 0; i < keys.size(); ++i) means[keys[i]] = values[i];
    }
  }
};

run_state full_state() {
  run_state state;
  state.parameters = {std::bit_cast<float>(0x7fc12345u),        std::bit_cast<float>(0xff800001u),       -0.0f,
                      std::numeric_limits<float>::denorm_min(), -std::numeric_limits<float>::infinity(), 0.1f};
  state.curve = {std::bit_cast<double>(0x7ff8000000abcdefu), -0.0, 5e-324};
  state.prompts = {-1, 2147483647};
  state.wide.assign(1, std::numeric_limits<std::int64_t>::min());
  state.key = {0xffffffffu, 7};
  state.counter = 0xffffffffffffffffu;
  state.rate = 1e-45f;
  state.clock = 0.1;
  state.warm = true;
  state.now = phase::update;
  state.text = "a \"quoted\"\nline, \u00e9";
  state.names = {"x", "", "z"};
  state.groups = {{{1, 2}, 3}, {{}, 4}};
  state.history = {{1}, {}, {2, 3}};
  state.means = {{-5, 0.5}, {9, 1.5}};
  state.inner = {{8, 9}, 10};
  return state;
}

template <class T>
bool same_bits(const T& a, const T& b) {
  return a.size() == b.size() && (a.empty() || std::memcmp(a.data(), b.data(), a.size() * sizeof(a[0])) == 0);
}

bool same(const run_state& a, const run_state& b) {
  return same_bits(a.parameters, b.parameters) && same_bits(a.curve, b.curve) && a.prompts == b.prompts &&
         a.wide == b.wide && a.key == b.key && a.counter == b.counter &&
         std::bit_cast<std::uint32_t>(a.rate) == std::bit_cast<std::uint32_t>(b.rate) && a.clock == b.clock &&
         a.warm == b.warm && a.now == b.now && a.text == b.text && a.names == b.names && a.groups == b.groups &&
         a.history == b.history && a.means == b.means && a.inner == b.inner;
}

struct with_history {
  std::int64_t before = 1;
  fewstep::prompt_history history;
  template <class Archive>
  void serialize(Archive& archive) {
    archive("before", before);
    archive("history", history);
  }
};

/// Large enough that a kill often finds it half written.
struct counted {
  std::uint64_t step = 0;
  std::vector<float> values = std::vector<float>(500'000);
  template <class Archive>
  void serialize(Archive& archive) {
    archive("step", step);
    archive("values", values);
  }
};

/// Saves with one callable, expects loading with the other to fail with this sentence.
template <class Save, class Load>
void check_refused(const Save& save, Load load, const std::string& complaint) {
  const temporary_directory directory;
  fewstep::save_checkpoint(directory / "c", save);
  CAPTURE(complaint);
  CHECK_THROWS_WITH(fewstep::load_checkpoint(directory / "c", load), contains(complaint) && contains("/c'"));
}

}  // namespace

TEST_CASE("checkpoint: every kind of value comes back bit for bit", "[io]") {
  const temporary_directory directory;
  auto saved = full_state();
  fewstep::save_checkpoint(directory / "c", saved);
  run_state loaded;
  REQUIRE_FALSE(same(saved, loaded));
  loaded.groups.resize(7);
  loaded.means[3] = 4;
  fewstep::load_checkpoint(directory / "c", loaded);
  CHECK(same(saved, loaded));

  fewstep::save_checkpoint(directory / "again", loaded);
  CHECK(text_of(directory / "c") == text_of(directory / "again"));
  const auto plain = fewstep::safetensors_file::load(directory / "c");
  CHECK(plain.shape("parameters") == std::vector<fewstep::index_t>{2, 3});
  CHECK(plain.contains("inner.first"));
  CHECK(plain.metadata().at("text") == saved.text);
}

TEST_CASE("checkpoint: settings and parts of a file may have their former names", "[io]") {
  const temporary_directory directory;
  const auto now = [](auto& archive) {
    archive.must_match("generator.preconditioner", std::string("rectified_flow"));
    archive.must_match("generator.rows_per_task", 2);
  };
  const auto before = [](const char* name, int rows) {
    return [=](auto& archive) {
      archive.must_match("generator.preconditioner", std::string(name));
      archive.must_match("generator.together", rows);
    };
  };
  fewstep::save_checkpoint(directory / "c", before("straight_line", 2));
  CHECK_NOTHROW(fewstep::load_checkpoint(directory / "c", now));
  check_refused(before("straight_line", 3), now, "made with generator.together = 3, but this run has 2");
  check_refused(before("lcm", 2), now, "made with generator.preconditioner = lcm, but this run has rectified_flow");
  check_refused([](auto& archive) { archive("generator.preconditioner", std::string("rectified_flow")); }, now,
                "has no value 'generator.rows_per_task'");
}

TEST_CASE("checkpoint: what does not fit is named", "[io]") {
  float x = 1;
  double d = 1;
  std::vector<float> three(3);
  std::vector<float> four(4);
  std::string text = "t";
  const auto save = [&](auto& archive) { archive("x", x); };
  check_refused(
      save, [&](auto& archive) { archive("y", x); }, "has no value 'y'");
  check_refused(
      save, [&](auto&) {}, "has a value 'x' that this program does not know");
  check_refused(
      save, [&](auto& archive) { archive("x", d); }, "holds 'x' as F32, but this program expects F64");
  check_refused(
      save, [&](auto& archive) { archive("x", std::span(four)); },
      "holds 'x' with shape [], but this program expects [4]");
  check_refused(
      save, [&](auto& archive) { archive("x", four); }, "expects one dimension");
  check_refused(
      save, [&](auto& archive) { archive("x", text); }, "has no string 'x'");
  check_refused([&](auto& archive) { archive("s", text); }, [](auto&) {},
                "has a string 's' that this program does not");
  check_refused([&](auto& archive) { archive("v", std::span(three)); },
                [&](auto& archive) { archive("v", std::span(four)); }, "shape [3], but this program expects [4]");
  check_refused([&](auto& archive) { archive.must_match("horizon", 4); },
                [&](auto& archive) { archive.must_match("horizon", 8); }, "made with horizon = 4, but this run has 8");
  check_refused([&](auto& archive) { archive.must_match("name", std::string("adam")); },
                [&](auto& archive) { archive.must_match("name", std::string("sgd")); },
                "name = adam, but this run has sgd");
  check_refused([&](auto& archive) { archive.must_match("now", phase::update); },
                [&](auto& archive) { archive.must_match("now", phase::rollout); }, "now = 1, but this run has 0");
  check_refused([&](auto& archive) { archive("n.size", std::uint64_t{1} << 62); },
                [names = std::vector<std::string>()](auto& archive) mutable { archive("n", names); },
                "says that 'n' has 4611686018427387904 parts");

  const auto twice = [&](auto& archive) { archive("x", x), archive("x", x); };
  const temporary_directory directory;
  CHECK_THROWS_WITH(fewstep::save_checkpoint(directory / "c", twice), contains("two values have the name 'x'"));
  fewstep::save_checkpoint(directory / "c", save);
  CHECK_THROWS_WITH(fewstep::load_checkpoint(directory / "c", twice), contains("two values have the name 'x'"));
  CHECK_THROWS_WITH(fewstep::load_checkpoint(directory / "absent", save), contains("absent"));
  fewstep::safetensors_writer plain;
  plain.add("x", {}, std::span<const float>(&x, 1));
  plain.write(directory / "plain");
  CHECK_THROWS_WITH(fewstep::load_checkpoint(directory / "plain", save),
                    contains("/plain' is a safetensors file, but no checkpoint") &&
                        contains("safetensors_file::load") && contains("load_parameters"));
}

TEST_CASE("checkpoint: a name of another version is refused with that version", "[io]") {
  const temporary_directory directory;
  const auto file_of = [&](const std::string& version) {
    fewstep::safetensors_writer file;
    file.metadata("fewstep.format", "fewstep checkpoint 1");
    if (!version.empty()) file.metadata("fewstep.version", version);
    file.add("average_decay", {}, std::vector<float>{1});
    file.write(directory / "c");
    return directory / "c";
  };
  const auto load = [&](const std::filesystem::path& path, const std::string& name) {
    float x = 0;
    fewstep::load_checkpoint(path, [&](auto& archive) { archive(name, x); });
    return x;
  };
  const std::string now = fewstep::detail::library_version();
  for (const std::string version : {"", "0.0.9", "99.0.0"}) {
    const auto path = file_of(version);
    const std::string writer = version.empty() ? "a development version of fewstep before 0.1.0" : "fewstep " + version;
    CHECK(load(path, "average_decay") == 1);  // what fits is loaded all the same
    CHECK_THROWS_WITH(load(path, "ema_decay"),
                      contains("has no value 'ema_decay'; " + writer + " wrote it, and this is " + now));
    CHECK_THROWS_WITH(fewstep::load_checkpoint(path, [](auto&) {}),
                      contains("'average_decay' that this program does not know; " + writer));
  }
  CHECK_THROWS_WITH(load(file_of(now), "ema_decay"), !contains("wrote it"));
  fewstep::save_checkpoint(directory / "c", [](auto&) {});
  CHECK(fewstep::safetensors_file::load(directory / "c").metadata().at("fewstep.version") == now);
}

TEST_CASE("checkpoint: a number that the value cannot be is refused before anything changes", "[io]") {
  const auto saving = [](const auto& value) {
    return [value](auto& archive) { archive("v", std::remove_cvref_t<decltype(value)>(value)); };
  };
  bool flag = false;
  std::array<bool, 3> flags{};
  check_refused(
      saving(std::uint8_t{2}), [&](auto& archive) { archive("v", flag); },
      "holds 'v' = 2, but this program expects a flag, 0 or 1");
  check_refused(
      saving(std::array<std::uint8_t, 3>{1, 0, 255}), [&](auto& archive) { archive("v", flags); },
      "holds 'v' = 255, but this program expects a flag");
  check_refused(
      saving(std::uint8_t{7}), [&](auto& archive) { archive.must_match("v", true); }, "holds 'v' = 7");
  CHECK((!flag && flags == std::array<bool, 3>{}));

  phase now = phase::rollout;
  check_refused(
      saving(std::uint8_t{2}), [&](auto& archive) { archive.within("v", now, phase::rollout, phase::update); },
      "holds 'v' = 2, but it must be from 0 to 1");
  CHECK(now == phase::rollout);
  std::int64_t count = 3;
  const auto load_count = [&](auto& archive) { fewstep::detail::archive_count(archive, "v", count); };
  check_refused(saving(std::int64_t{-1}), load_count, "holds 'v' = -1, but it must be from 0 to 4611686018427387903");
  check_refused(saving(std::numeric_limits<std::int64_t>::max()), load_count, "holds 'v' = 9223372036854775807");
  double share = 0;
  check_refused(
      saving(std::nan("")), [&](auto& archive) { archive.within("v", share, 0, 1); }, "holds 'v' = ");
  CHECK(count == 3);

  const temporary_directory directory;
  fewstep::save_checkpoint(directory / "c", [&](auto& archive) { archive.within("v", count, 0, 5); });
  count = 0;
  fewstep::load_checkpoint(directory / "c", load_count);
  CHECK(count == 3);
}

TEST_CASE("checkpoint: a history whose arrays do not fit together leaves the object as it was", "[io]") {
  with_history target;
  target.history.push(5, 0.5f, 2);
  struct arrays {
    int capacity = 2;
    std::vector<std::int32_t> ids{5, 9}, slots{0, 1}, counts{1, 1}, heads{1, 1};
    std::vector<float> values{1, 0, 2, 0};
  };
  const auto refused = [&](const arrays& stored) {
    const temporary_directory directory;
    fewstep::save_checkpoint(directory / "c", [a = stored](auto& archive) {
      archive("before", std::int64_t{2});
      archive("history.capacity", a.capacity);
      archive("history.ids", a.ids);
      archive("history.slots", a.slots);
      archive("history.counts", a.counts);
      archive("history.heads", a.heads);
      archive("history.values", a.values);
    });
    CHECK_THROWS_WITH(fewstep::load_checkpoint(directory / "c", target), contains("do not fit together"));
    CHECK(target.before == 1);
    CHECK(target.history.prompts() == 1);
    CHECK(target.history.rewards(5).size() == 1);
  };
  refused({.capacity = -2});
  refused({.capacity = 3});
  refused({.ids = {9, 5}});
  refused({.slots = {0, 0}});
  refused({.slots = {0, 2}});
  refused({.counts = {1, 3}});
  refused({.counts = {-1, 1}});
  refused({.heads = {1, 2}});
  refused({.values = {1, 0, 2}});
}

TEST_CASE("checkpoint: a refused file leaves the object as it was", "[io]") {
  const temporary_directory directory;
  auto saved = full_state();
  saved.horizon = 5;  // the very last comparison fails
  fewstep::save_checkpoint(directory / "c", saved);
  run_state target;
  target.groups.resize(2);
  target.means[1] = 2;
  const auto before = target;
  CHECK_THROWS_WITH(fewstep::load_checkpoint(directory / "c", target), contains("horizon"));
  CHECK(same(target, before));
}

TEST_CASE("checkpoint: any truncation and any changed byte is refused or harmless", "[io]") {
  const temporary_directory directory;
  auto saved = full_state();
  fewstep::save_checkpoint(directory / "c", saved);
  const auto whole = text_of(directory / "c");
  const auto data = whole.rfind(std::string("}"));
  const run_state before;
  for (std::size_t at = 0; at < whole.size(); at += at < data - 20 ? 7 : 1) {
    CAPTURE(at, data, whole.size());
    run_state target;
    put_text(directory / "d", whole.substr(0, at));
    CHECK_THROWS_AS(fewstep::load_checkpoint(directory / "d", target), std::runtime_error);
    CHECK(same(target, before));

    auto changed = whole;
    changed[at] = static_cast<char>(changed[at] ^ 0x04);
    put_text(directory / "d", changed);
    try {
      fewstep::load_checkpoint(directory / "d", target);
      CHECK(same(target, saved));
    } catch (const std::exception&) {
      CHECK(same(target, before));
    }
    if (at > data + 8) CHECK_THROWS_WITH(fewstep::load_checkpoint(directory / "d", target), contains("checksum"));
  }
}

TEST_CASE("checkpoint: a full disk leaves the old one", "[io]") {
  const temporary_directory directory;
  auto saved = full_state();
  fewstep::save_checkpoint(directory / "c", saved);
  auto large = saved;
  large.curve.resize(100000);
  CHECK_THAT(error_on_full_disk(65536, [&] { fewstep::save_checkpoint(directory / "c", large); }),
             contains("/c'") && contains("File too large"));
  run_state loaded;
  fewstep::load_checkpoint(directory / "c", loaded);
  CHECK(same(loaded, saved));
  CHECK(directory.files() == 1);
}

TEST_CASE("checkpoint: a kill at any moment leaves the old or the new one", "[io]") {
  const temporary_directory directory;
  counted state;
  fewstep::save_checkpoint(directory / "c", state);
  const auto seed = fewstep::test::test_seed(6);
  INFO("seed " << seed);
  std::mt19937 random(seed);
  std::ptrdiff_t most_files = 0;
  std::uint64_t last = 0;
  // On a busy machine a child may not get to save within 40 ms: then more rounds, and longer ones.
  for (unsigned round = 0; round < 20 || (last == 0 && round < 200); ++round) {
    const pid_t child = ::fork();
    if (child == 0) {
      for (;;) {
        ++state.step;
        std::fill(state.values.begin(), state.values.end(), static_cast<float>(state.step));
        fewstep::save_checkpoint(directory / "c", state);
      }
    }
    ::usleep(static_cast<useconds_t>(random() % (40000 * (1 + round / 20))));
    ::kill(child, SIGKILL);
    int status = 0;
    REQUIRE(::waitpid(child, &status, 0) == child);
    REQUIRE(WIFSIGNALED(status));
    REQUIRE(WTERMSIG(status) == SIGKILL);
    most_files = std::max(most_files, directory.files());

    fewstep::load_checkpoint(directory / "c", state);
    REQUIRE(state.step >= last);
    REQUIRE(state.values == std::vector<float>(500'000, static_cast<float>(state.step)));
    last = state.step;
  }
  CHECK(last > 0);
  CHECK(most_files > 1);  // at least one kill came while a temporary was being written
  fewstep::remove_stale_temporaries(directory.path());
  CHECK(directory.files() == 1);
}

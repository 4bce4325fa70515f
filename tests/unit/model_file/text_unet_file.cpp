// SPDX-License-Identifier: Apache-2.0
#include <fewstep/io/file.hpp>
#include <fewstep/model_file/text_unet_file.hpp>

#include "support/settings.hpp"
#include "support/temporary_directory.hpp"
#include "support/tiny_text_unet.hpp"
#include "test.hpp"

#include <cmath>
#include <cstddef>
#include <functional>
#include <limits>
#include <optional>
#include <string>
#include <vector>

using fewstep::cpu_backend;
using fewstep::index_t;
using fewstep::load_consistency_model;
using fewstep::lora_options;
using fewstep::safetensors_file;
using fewstep::safetensors_writer;
using fewstep::save_consistency_model;
using fewstep::test::make_tiny_text_unet;
using fewstep::test::same_bits;
using fewstep::test::text_rows;
using fewstep::test::tiny_text_unet;

namespace {

std::vector<float> predict(cpu_backend& backend, tiny_text_unet& g) {
  const text_rows all(5, g.sample_size(), 3);
  auto workspace = g.make_workspace(backend, 0);
  std::vector<float> o(all.x.size());
  g.predict(backend, all.rows(), {o.data(), {5, g.sample_size()}}, workspace);
  return o;
}

/// The file again, each tensor passed through `change`, which may rename, reshape or drop (return false) it.
struct tensor {
  std::string name;
  std::vector<index_t> shape;
  std::vector<float> values;
};
void rewrite(const std::filesystem::path& path, const std::function<bool(tensor&)>& change,
             const std::function<void(std::string& key, std::string& value)>& metadata = {}) {
  const auto file = safetensors_file::load(path);
  safetensors_writer writer;
  for (const auto& entry : file.metadata()) {
    std::string key = entry.first, value = entry.second;
    if (metadata) metadata(key, value);
    writer.metadata(key, value);
  }
  for (const std::string& name : file.names()) {
    tensor t{name, file.shape(name), file.floats(name)};
    if (change(t)) writer.add(t.name, t.shape, t.values);
  }
  writer.write(path);
}

bool keep(tensor&) { return true; }

}  // namespace

TEST_CASE("a model file says every option of the network") {
  const temporary_directory folder;
  cpu_backend backend({.threads = 1});
  auto g = make_tiny_text_unet(backend, lora_options{});
  save_consistency_model(folder / "m", g, g.parameters());
  const auto file = safetensors_file::load(folder / "m");
  for (const std::string& name : fewstep::test::names_of_numbers(
           fewstep::text_unet<cpu_backend>::options{.network = g.network_options(), .lora = g.lora()})) {
    CAPTURE(name);
    if (name == "seed" || name == "rows_per_task") continue;      // of a run
    if (name == "vocabulary" || name == "frequencies") continue;  // as words, and as a tensor
    bool says = false;
    for (const auto& entry : file.metadata()) says = says || entry.second.find('"' + name + '"') != std::string::npos;
    CHECK(says);
  }
}

TEST_CASE("a model file gives back the network, its adapters with their scale included") {
  const temporary_directory folder;
  const auto lora = GENERATE(std::optional<lora_options>{}, std::optional(lora_options{.rank = 3, .alpha = 7}));
  cpu_backend backend({.threads = 1});
  auto g = make_tiny_text_unet(backend, lora);
  save_consistency_model(folder / "m", g, g.parameters());
  auto loaded = load_consistency_model(backend, folder / "m");
  CHECK(loaded.has_adapters() == lora.has_value());
  CHECK(loaded.words().words() == g.words().words());
  CHECK(same_bits(predict(backend, loaded), predict(backend, g)));
  const std::vector<float> zeros(static_cast<std::size_t>(g.parameters().size()));
  save_consistency_model(folder / "zeros", g, {zeros.data(), {g.parameters().size()}});
  auto of_zeros = load_consistency_model(backend, folder / "zeros");
  CHECK_FALSE(same_bits(predict(backend, of_zeros), predict(backend, g)));
  CHECK_THROWS_WITH(save_consistency_model(folder / "short", g, {zeros.data(), {1}}),
                    contains("1 parameters given, but the model trains"));
}

TEST_CASE("a model file is loaded under the preconditioning asked for, and saved from any") {
  const temporary_directory folder;
  cpu_backend backend({.threads = 1});
  auto options = fewstep::test::tiny_text_unet_options();
  options.preconditioner = {.sigma_data = 0.25f, .sigma_min = 0.01f, .sigma_max = 40};
  tiny_text_unet g(backend, fewstep::vocabulary({"red", "heart"}), options);
  save_consistency_model(folder / "m", g, g.parameters());

  using rescaled = fewstep::variance_preserving<fewstep::edm_denoiser>;
  auto loaded = fewstep::load_text_unet<rescaled>(backend, folder / "m", {.lora = lora_options{.rank = 2}},
                                                  {.schedule = {.beta_end = 0.01}});
  CHECK(loaded.has_adapters());
  CHECK(loaded.preconditioner().base.sigma_data == 0.25f);
  CHECK(loaded.preconditioner().base.sigma_min == 0.01f);
  CHECK(loaded.preconditioner().base.sigma_max == 40.0f);
  CHECK(loaded.preconditioner().schedule.beta_end == 0.01);
  auto denoiser = fewstep::load_text_unet<fewstep::edm_denoiser>(backend, folder / "m");

  // The same network: asked for a state divided by sqrt(1 + sigma^2) it gives what the denoiser gives, but for
  // rounding.
  text_rows own(4, g.sample_size(), 3), scaled = own;
  for (index_t r = 0; r < own.count; ++r) {
    for (std::size_t w = 0; w < 3; ++w) own.texts[static_cast<std::size_t>(r)].ids[w] %= 3;
    const float sigma = own.times[static_cast<std::size_t>(r)];
    for (index_t i = r * own.dimension; i < (r + 1) * own.dimension; ++i)
      scaled.x[static_cast<std::size_t>(i)] /= std::sqrt(1 + sigma * sigma);
  }
  scaled.texts = own.texts;
  std::vector<float> o(own.x.size()), o_scaled(own.x.size());
  auto workspace = denoiser.make_workspace(backend, 0);
  denoiser.predict(backend, own.rows(), {o.data(), {4, g.sample_size()}}, workspace);
  auto workspace_scaled = loaded.make_workspace(backend, 0);
  loaded.predict(backend, scaled.rows(), {o_scaled.data(), {4, g.sample_size()}}, workspace_scaled);
  CHECK(fewstep::test::relative_error(o_scaled, o) < 1e-5);

  auto straight = fewstep::load_text_unet<fewstep::rectified_flow<fewstep::edm_consistency>>(backend, folder / "m");
  fewstep::save_text_unet(folder / "again", straight, straight.parameters());
  CHECK(fewstep::read_file(folder / "again") == fewstep::read_file(folder / "m"));
}

TEST_CASE("fresh adapters change nothing, and those of another rank than the file's are refused") {
  const temporary_directory folder;
  cpu_backend backend({.threads = 1});
  auto base = make_tiny_text_unet(backend);
  save_consistency_model(folder / "base", base, base.parameters());
  auto fresh = load_consistency_model(backend, folder / "base", {.lora = lora_options{.rank = 2}});
  CHECK(fresh.has_adapters());
  CHECK(same_bits(predict(backend, fresh), predict(backend, base)));

  auto adapted = make_tiny_text_unet(backend, lora_options{.rank = 3, .alpha = 7});
  save_consistency_model(folder / "adapted", adapted, adapted.parameters());
  CHECK_NOTHROW(load_consistency_model(backend, folder / "adapted", {.lora = lora_options{.rank = 3}}));
  CHECK_THROWS_WITH(load_consistency_model(backend, folder / "adapted", {.lora = lora_options{.rank = 2}}),
                    contains("has adapters of rank 3, but rank 2 was asked for"));
  rewrite(folder / "adapted", keep, [](std::string& key, std::string&) {
    if (key == "fewstep.lora") key = "other";
  });
  CHECK_THROWS_WITH(load_consistency_model(backend, folder / "adapted"),
                    contains("lora_A.weight', but the metadata 'fewstep.lora'"));
}

TEST_CASE("adapters have PEFT's shapes in the file: of a 1x1 convolution those of 1x1 convolutions") {
  const temporary_directory folder;
  cpu_backend backend({.threads = 1});
  auto adapted = make_tiny_text_unet(backend, lora_options{.rank = 3, .alpha = 7});
  save_consistency_model(folder / "m", adapted, adapted.parameters());
  const auto file = safetensors_file::load(folder / "m");
  int linear = 0, convolutions = 0;
  for (const std::string& name : file.names()) {
    const auto at = name.find(".lora_A.weight");
    if (at == name.npos) continue;
    auto a = file.shape(name.substr(0, at) + ".weight"), b = a;  // [out, in], or [out, in, 1, 1]
    a[0] = b[1] = 3;
    INFO(name);
    CHECK(file.shape(name) == a);
    CHECK(file.shape(name.substr(0, at) + ".lora_B.weight") == b);
    ++(a.size() == 2 ? linear : convolutions);
  }
  CHECK(linear == 8);        // two of each MLP, the conditions of four blocks
  CHECK(convolutions == 3);  // one skip, attention's two projections
  CHECK(file.shape("unet.attention.qkv.lora_A.weight") == std::vector<index_t>{3, 24, 1, 1});

  rewrite(folder / "m", [](tensor& t) {
    if (t.name == "unet.attention.qkv.lora_A.weight") t.shape = {3, 24};
    return true;
  });
  CHECK_THROWS_WITH(load_consistency_model(backend, folder / "m"),
                    contains("'unet.attention.qkv.lora_A.weight' has shape [3, 24] but the network needs "
                             "[3, 24, 1, 1]"));
}

TEST_CASE("adapters of an impossible rank or scale are refused") {
  const temporary_directory folder;
  cpu_backend backend({.threads = 1});
  auto adapted = make_tiny_text_unet(backend, lora_options{.rank = 3, .alpha = 7});
  const auto [line, complaint] = GENERATE(
      table<std::string, std::string>({{R"({"alpha":7,"rank":3.5})", "'rank' is 3.5; it must be a whole number"},
                                       {R"({"alpha":1e99,"rank":3})", "'alpha' is 1e+99"},
                                       {R"({"alpha":7,"rank":3,"rank":3})", "'rank' stands in them twice"},
                                       {R"({"alpha":7,"rank":0})", "rank is 0"},
                                       {R"({"alpha":7,"rank":4611686018427387904})", "lora_A.weight' has shape [3, "},
                                       {R"([7,3])", "they are no JSON object"}}));
  save_consistency_model(folder / "m", adapted, adapted.parameters());
  rewrite(folder / "m", keep, [with = line](std::string& key, std::string& value) {
    if (key == "fewstep.lora") value = with;
  });
  CHECK_THROWS_WITH(load_consistency_model(backend, folder / "m"),
                    contains((folder / "m").string()) && contains(complaint));
}

TEST_CASE("half precision keeps a model but for its rounding") {
  const temporary_directory folder;
  cpu_backend backend({.threads = 1});
  auto g = make_tiny_text_unet(backend);
  save_consistency_model(folder / "m", g, g.parameters(), fewstep::element_type::f16);
  auto loaded = load_consistency_model(backend, folder / "m");
  CHECK(fewstep::test::relative_error(predict(backend, loaded), predict(backend, g)) < 3e-3);
}

TEST_CASE("weights that are no finite numbers do not take the place of a model that is there") {
  const temporary_directory folder;
  cpu_backend backend({.threads = 1});
  auto g = make_tiny_text_unet(backend);
  save_consistency_model(folder / "m", g, g.parameters());
  const auto before = fewstep::read_file(folder / "m");
  std::vector<float> parameters(g.parameters().begin(), g.parameters().end());
  const auto saves = [&](fewstep::element_type type) {
    save_consistency_model(folder / "m", g, {parameters.data(), {g.parameters().size()}}, type);
  };
  const std::string name = g.layout().slices().front().name;
  for (const float bad : {std::nanf(""), std::numeric_limits<float>::infinity()}) {
    parameters.front() = bad;
    CHECK_THROWS_WITH(saves(fewstep::element_type::f32), contains("the weight '" + name + "' is not saved: it has "));
    CHECK(fewstep::read_file(folder / "m") == before);
  }
  // The largest half is 65504; from 65520 on, halfway to the next, a number is rounded to infinity.
  parameters.front() = 65520.0f;
  CHECK_THROWS_WITH(saves(fewstep::element_type::f16), contains("no finite number as F16; ") && contains("as F32"));
  CHECK(fewstep::read_file(folder / "m") == before);
  parameters.front() = 65519.0f;
  CHECK_NOTHROW(saves(fewstep::element_type::f16));
  auto loaded = load_consistency_model(backend, folder / "m");
  CHECK(loaded.parameters()[0] == 65504.0f);
}

TEST_CASE("a model file that does not fit is refused, and the message names file, weight and reason") {
  const temporary_directory folder;
  cpu_backend backend({.threads = 1});
  auto g = make_tiny_text_unet(backend);
  const auto path = folder / "m";
  save_consistency_model(path, g, g.parameters());
  const std::string weight = "unet.in.weight";
  REQUIRE(safetensors_file::load(path).contains(weight));

  SECTION("no such file") {
    CHECK_THROWS_WITH(load_consistency_model(backend, folder / "absent"), contains((folder / "absent").string()));
  }
  SECTION("a weight is missing") {
    rewrite(path, [&](tensor& t) { return t.name != weight; });
    CHECK_THROWS_WITH(load_consistency_model(backend, path),
                      contains(path.string()) && contains("the weight '" + weight + "' is missing"));
  }
  SECTION("a weight has another shape") {
    rewrite(path, [&](tensor& t) {
      if (t.name == weight) std::swap(t.shape[0], t.shape[1]);
      return true;
    });
    CHECK_THROWS_WITH(load_consistency_model(backend, path),
                      contains("the weight '" + weight + "' has shape [") && contains("but the network needs ["));
  }
  SECTION("the frequencies are missing") {
    rewrite(path, [&](tensor& t) { return t.name != "time.frequencies"; });
    CHECK_THROWS_WITH(load_consistency_model(backend, path), contains("'time.frequencies' is missing"));
  }
  SECTION("the metadata are those of something else") {
    rewrite(path, keep, [](std::string& key, std::string&) { key += "?"; });
    CHECK_THROWS_WITH(load_consistency_model(backend, path), contains("this is no text_unet written by fewstep"));
  }
  const auto describe_with = [&](const std::string& with) {
    rewrite(path, keep, [&](std::string& key, std::string& value) {
      if (key != "fewstep.text_unet") return;
      const auto name = with.substr(0, with.find(':') + 1);
      const auto at = value.find(name);
      REQUIRE(at != std::string::npos);
      value.replace(at,
                    value.find_first_of(value[at + name.size()] == '[' ? "]" : ",}", at) - at +
                        (value[at + name.size()] == '[' ? 1 : 0),
                    with);
    });
  };
  SECTION("the metadata describe a network that cannot be") {
    const auto with = GENERATE(as<std::string>{}, "\"patch\":0", "\"height\":-32", "\"encoder_blocks\":1000000000000",
                               "\"text_width\":0", "\"widths\":[]", "\"heads\":7", "\"groups\":9223372036854775807");
    describe_with(with);
    CHECK_THROWS_WITH(load_consistency_model(backend, path),
                      contains(path.string()) && contains("the network described cannot be"));
  }
  SECTION("the metadata describe a larger network than the file has tensors of") {
    // Nothing of that size is made: these would be some 10^5 layers, and weights of 10^11 bytes.
    const auto [with, complaint] = GENERATE(table<std::string, std::string>(
        {{"\"encoder_blocks\":65536", "the weight 'unet.encoder.0.1.norm1.weight' is missing"},
         {"\"middle_blocks\":65536", "the weight 'unet.middle.2.norm1.weight' is missing"},
         {"\"decoder_blocks\":65536", "the weight 'unet.decoder.0.1.norm1.weight' is missing"},
         {"\"widths\":[65536,65536]",
          "the weight 'unet.in.weight' has shape [8, 12, 3, 3] but the network needs [65536, 12"},
         {"\"channels\":65536", "has shape [8, 12, 3, 3] but the network needs [8, 262144, 3, 3]"},
         {"\"condition\":65536", "the weight 'time.0.weight' has shape [12, 64] but the network needs [65536, 64]"},
         {"\"text_width\":65536", "the weight 'words.weight' has shape [5, 6] but the network needs [5, 65536]"}}));
    describe_with(with);
    CHECK_THROWS_WITH(load_consistency_model(backend, path), contains(path.string()) && contains(complaint));
  }
  SECTION("a number of the metadata is none, or not of its kind") {
    const auto [with, complaint] =
        GENERATE(table<std::string, std::string>({{"\"height\":4.9", "'height' is 4.9; it must be a whole number"},
                                                  {"\"height\":8.0", "'height' is 8.0; it must be a whole number"},
                                                  {"\"height\":\"8\"", "'height' is \"8\"; it must be a whole number"},
                                                  {"\"height\":true", "'height' is true"},
                                                  {"\"height\":null", "'height' is null"},
                                                  {"\"groups\":9223372036854775808", "'groups' is 9223372036854775808"},
                                                  {"\"height\":8,\"height\":8", "'height' stands in them twice"},
                                                  {"\"widths\":8", "'widths' is 8; it must be a list of whole numbers"},
                                                  {"\"widths\":[8,24.5]", "'widths' is 24.5"},
                                                  {"\"widths\":[[8],24]", "lists and objects are nested"},
                                                  {"\"sigma_data\":0", "sigma_data is 0"},
                                                  {"\"sigma_data\":-1", "sigma_data is -1"},
                                                  {"\"sigma_data\":1e39", "'sigma_data' is 1e+39; it must be a number"},
                                                  {"\"sigma_data\":NaN", "the metadata of the network are damaged"},
                                                  {"\"sigma_min\":-0.5", "sigma_min -0.5"},
                                                  {"\"sigma_min\":80.5", "sigma_max above it"},
                                                  {"\"sigma_max\":0.001", "sigma_max above it"}}));
    describe_with(with);
    CHECK_THROWS_WITH(load_consistency_model(backend, path),
                      contains(path.string() + ": the metadata of the network are damaged: ") && contains(complaint));
  }
  SECTION("the words do not fit their table") {
    rewrite(path, keep, [](std::string& key, std::string& value) {
      if (key == "fewstep.vocabulary") value += "star\nsun\n";
    });
    CHECK_THROWS_WITH(load_consistency_model(backend, path), contains("'words.weight' has shape [5, 6]"));
  }
  SECTION("a weight is no number") {
    const float bad = GENERATE(std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity());
    const std::string of = GENERATE(as<std::string>{}, "unet.in.weight", "time.frequencies");
    rewrite(path, [&](tensor& t) {
      if (t.name == of) t.values[3] = bad;
      return true;
    });
    CHECK_THROWS_WITH(load_consistency_model(backend, path), contains(path.string() + ": the ") &&
                                                                 contains("'" + of + "' has") &&
                                                                 contains("the file is damaged"));
  }
  SECTION("a bit has flipped") {
    auto bytes = text_of(path);
    bytes[bytes.size() - 1000] ^= 0x10;
    put_text(path, bytes);
    CHECK_THROWS_WITH(load_consistency_model(backend, path), contains(path.string() + ": is damaged: its checksum is"));
  }
  SECTION("the metadata are damaged") {
    rewrite(path, keep, [](std::string& key, std::string& value) {
      if (key == "fewstep.text_unet") value.resize(value.size() / 2);
    });
    CHECK_THROWS_WITH(load_consistency_model(backend, path), contains("the metadata of the network are damaged"));
  }
}

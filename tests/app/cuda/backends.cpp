// SPDX-License-Identifier: Apache-2.0
// The application on a device, in the emulation. Part of builds with CUDA only.
#include "app/application.hpp"
#include "test.hpp"

#include <fewstep/backend/cpu/backend.hpp>
#include <fewstep/core/random.hpp>
#include <fewstep/generator/text_unet.hpp>
#include <fewstep/model_file/text_unet_file.hpp>

#include <sstream>

namespace {

/// A network of a few thousand parameters, none of them zero, that knows the words of the data.
void write_tiny_model(const std::filesystem::path& path) {
  fewstep::cpu_backend backend({.threads = 1});
  fewstep::text_unet<fewstep::cpu_backend>::options o;
  o.preconditioner = {.sigma_data = 0.5f, .sigma_min = 0.01f, .sigma_max = 40.0f};
  auto& unet = o.network.unet;
  unet.height = unet.width = 32;
  unet.patch = 8;
  unet.widths = {8};
  unet.encoder_blocks = unet.decoder_blocks = unet.middle_blocks = 1;
  unet.condition = 12;
  o.network.text_width = 6;
  const std::string words = text_of(std::filesystem::path(TEXT_TO_EMOJI_DATA) / "vocabulary.txt");
  fewstep::text_unet<fewstep::cpu_backend> model(backend, fewstep::vocabulary(fewstep::vocabulary::split(words)), o);
  const fewstep::random_stream source{1, fewstep::stream::data};
  const auto parameters = model.parameters();
  for (fewstep::index_t i = 0; i < parameters.size(); ++i)
    parameters[i] += 0.1f * source.normal(static_cast<std::uint64_t>(i));
  fewstep::save_consistency_model(path, model, parameters);
}

/// The first columns of the table of metrics: reward_mean, reward_error, zero_variance, loss, ratio_mean,
/// ratio_deviation.
std::vector<std::vector<double>> metrics_in(const std::filesystem::path& table) {
  std::istringstream lines(text_of(table));
  std::vector<std::vector<double>> rows;
  std::string line;
  std::getline(lines, line);
  while (std::getline(lines, line)) {
    std::istringstream fields(line);
    char comma = 0;
    double update = 0;
    fields >> update;
    std::vector<double> row(6);
    for (double& value : row) fields >> comma >> value;
    rows.push_back(row);
  }
  return rows;
}

}  // namespace

TEST_CASE("a run on a device is that on the CPU, and either goes on with the other's checkpoint") {
  const playground here;
  const auto model = here / "tiny.safetensors";
  write_tiny_model(model);
  const auto on = [&](const std::string& backend, const std::string& output, std::vector<std::string> more = {}) {
    more.insert(more.end(), {"--backend", backend, "--checkpoint", model.string(), "--horizon", "2"});
    return here.finetune(output, 3, std::move(more));
  };
  const auto cpu = here.run(on("cpu", "cpu"));
  INFO(cpu.output);
  REQUIRE(cpu.exited_with(0));

  here.kill_after(on("emulated", "device"), here / "device" / "metrics.csv", 2);
  const auto device = here.run(on("emulated", "device", {"--resume"}));
  INFO(device.output);
  REQUIRE(device.exited_with(0));
  CHECK(says(device, "resuming     after update "));
  const auto expected = metrics_in(here / "cpu" / "metrics.csv"), found = metrics_in(here / "device" / "metrics.csv");
  REQUIRE(expected.size() == 3);
  REQUIRE(found.size() == 3);
  for (std::size_t k = 0; k < 3; ++k) {
    CHECK(found[k][0] == Approx(expected[k][0]).margin(1e-3));
    CHECK(found[k][4] == 1);
    CHECK(found[k][5] == 0);
  }

  SECTION("what one has finished the other only writes out") {
    for (const auto& [run, other] : {std::pair("cpu", "emulated"), std::pair("device", "cpu")}) {
      const auto before = text_of(here / run / "model.safetensors");
      const auto again = here.run(on(other, run, {"--resume"}));
      INFO(again.output);
      CHECK(again.exited_with(0));
      CHECK(text_of(here / run / "model.safetensors") == before);
    }
  }
  SECTION("what one has begun the other finishes") {
    here.kill_after(on("emulated", "mixed"), here / "mixed" / "metrics.csv", 2);
    const auto rest = here.run(on("cpu", "mixed", {"--resume"}));
    INFO(rest.output);
    CHECK(rest.exited_with(0));
    CHECK(says(rest, "resuming     after update "));
    const auto mixed = metrics_in(here / "mixed" / "metrics.csv");
    REQUIRE(mixed.size() == 3);
    CHECK(mixed[2][0] == Approx(expected[2][0]).margin(1e-3));
  }
}

TEST_CASE("pretraining on a device is that on the CPU") {
  const playground here;
  const auto pretrain = [&](const std::string& backend) {
    return here.run({"pretrain", "--data", TEXT_TO_EMOJI_DATA, "--steps", "2", "--widths", "8", "--batch", "2",
                     "--threads", "1", "--backend", backend, "--output", (here / backend).string()});
  };
  for (const std::string backend : {"cpu", "emulated"}) {
    const auto end = pretrain(backend);
    INFO(end.output);
    REQUIRE(end.exited_with(0));
  }
  fewstep::cpu_backend backend({.threads = 1});
  const auto weights = [&](const std::string& name) {
    auto model = fewstep::load_consistency_model(backend, here / name / "base.safetensors");
    return std::vector<float>(model.parameters().begin(), model.parameters().end());
  };
  const auto expected = weights("cpu"), found = weights("emulated");
  REQUIRE(found.size() == expected.size());
  double squares = 0, differences = 0;
  for (std::size_t i = 0; i < expected.size(); ++i) {
    const auto a = static_cast<double>(expected[i]), b = static_cast<double>(found[i]);
    squares += a * a;
    differences += (a - b) * (a - b);
  }
  CHECK(differences < 1e-6 * squares);
}

// SPDX-License-Identifier: Apache-2.0
#include <fewstep/image/jpeg_reward.hpp>
#include <fewstep/io/safetensors.hpp>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <filesystem>
#include <limits>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "test.hpp"

namespace {

using fewstep::index_t;
using fewstep::matrix;

/// [B, D] pictures: a smooth pattern plus Gaussian noise whose standard deviation grows with the row.
std::vector<float> noisy_batch(index_t rows, index_t height, index_t width, float noise_step, unsigned seed) {
  std::mt19937 engine(seed);
  std::normal_distribution<float> normal;
  std::vector<float> values;
  for (index_t row = 0; row < rows; ++row)
    for (index_t y = 0; y < height; ++y)
      for (index_t x = 0; x < width; ++x)
        for (int c = 0; c < 3; ++c)
          values.push_back(0.5f * std::sin(0.1f * static_cast<float>(x + 2 * y + c)) +
                           noise_step * static_cast<float>(row) * normal(engine));
  return values;
}

template <class Reward>
std::vector<float> judged(const Reward& judge, matrix<const float> samples) {
  const std::vector<int> contexts(static_cast<std::size_t>(samples.rows()));
  std::vector<float> out(contexts.size(), -777.0f);
  judge(samples, std::span<const int>(contexts), std::span<float>(out));
  return out;
}

}  // namespace

TEST_CASE("the JPEG rewards are minus and plus the size in units of 1000 bytes") {
  const std::vector<float> white(2 * 32 * 32 * 3, 1.0f);
  const matrix<const float> samples(white.data(), {2, 3072});
  CHECK(judged(fewstep::jpeg_compressibility{.quality = 95}, samples) == std::vector<float>{-0.643f, -0.643f});
  CHECK(judged(fewstep::jpeg_incompressibility{}, samples) == std::vector<float>{0.643f, 0.643f});
  CHECK(fewstep::jpeg_floor(32, 32) == 643);
  CHECK_THROWS_WITH(fewstep::jpeg_floor(fewstep::index_t{1} << 62, 4), contains("use 1 to 65500"));
  std::vector<index_t> bytes(2);
  fewstep::jpeg_byte_counts(samples, bytes);
  CHECK(bytes == std::vector<index_t>{643, 643});
}

TEST_CASE("JPEG sizes of emojis, noise, gradients and odd shapes are those of Pillow") {
  // Made by tests/python/reference_jpeg.py.
  const auto path = std::filesystem::path(__FILE__).parent_path() / "../../data/jpeg_pictures.safetensors";
  const auto file = fewstep::safetensors_file::load(path);
  std::vector<std::int64_t> expected(file.size("bytes"));
  file.read<std::int64_t>("bytes", expected);
  REQUIRE(expected.size() == 20);
  for (std::size_t i = 0; i < expected.size(); ++i) {
    const std::string name = (i < 10 ? "picture_0" : "picture_") + std::to_string(i);
    CAPTURE(name);
    const auto shape = file.shape(name);
    fewstep::rgb_image image{shape.at(0), shape.at(1), std::vector<std::uint8_t>(file.size(name))};
    file.read<std::uint8_t>(name, image.pixels);
    std::vector<float> sample(image.pixels.size());
    fewstep::from_rgb(image, fewstep::as_vec(std::span(sample)));
    index_t bytes = 0;
    fewstep::jpeg_byte_counts({sample.data(), {1, static_cast<index_t>(sample.size())}}, {&bytes, 1},
                              {.height = image.height, .width = image.width});
    CHECK(bytes == expected[i]);
  }
}

TEST_CASE("samples are clamped and rounded to 8 bits") {
  std::vector<float> beyond(32 * 32 * 3, 1.0f);
  for (std::size_t i = 0; i < beyond.size(); i += 2) beyond[i] = 1.0f + static_cast<float>(i);
  beyond[6] = 1.0f - 0.49f * 2.0f / 255.0f;
  CHECK(judged(fewstep::jpeg_incompressibility{}, {beyond.data(), {1, 3072}}).at(0) == 0.643f);
  beyond[6] = -1.0f;
  CHECK(judged(fewstep::jpeg_incompressibility{}, {beyond.data(), {1, 3072}}).at(0) > 0.643f);
}

TEST_CASE("the JPEG size grows with the level of the noise") {
  const unsigned seed = 20240917;
  CAPTURE(seed);
  const auto values = noisy_batch(8, 32, 32, 0.04f, seed);
  const matrix<const float> samples(values.data(), {8, 3072});
  const auto sizes = judged(fewstep::jpeg_incompressibility{}, samples);
  CHECK(std::is_sorted(sizes.begin(), sizes.end()));
  CHECK(sizes.front() * 1.5f < sizes.back());
  const auto rewards = judged(fewstep::jpeg_compressibility{}, samples);
  for (std::size_t i = 0; i < sizes.size(); ++i) CHECK(rewards[i] == -sizes[i]);
  CHECK(judged(fewstep::jpeg_incompressibility{.quality = 50}, samples).back() < sizes.back());
}

TEST_CASE("the JPEG reward does not depend on threads, batch or earlier batches") {
  const unsigned seed = 7;
  CAPTURE(seed);
  const auto values = noisy_batch(37, 16, 24, 0.02f, seed);
  const matrix<const float> samples(values.data(), {37, 16 * 24 * 3});
  const auto expected = judged(fewstep::jpeg_compressibility{.height = 16, .width = 24, .threads = 1}, samples);
  for (const int threads : {0, 2, 3, 8})
    CHECK(judged(fewstep::jpeg_compressibility{.height = 16, .threads = threads}, samples) == expected);

  for (index_t i = 0; i < 37; i += 5) {
    const fewstep::jpeg_compressibility tall{.height = 16, .width = 24};
    CHECK(judged(tall, samples.subview(i, 1)).at(0) == expected[static_cast<std::size_t>(i)]);
  }

  std::vector<std::vector<float>> found(4);
  std::vector<std::thread> callers;
  for (auto& mine : found)
    callers.emplace_back([&] { mine = judged(fewstep::jpeg_compressibility{.width = 24, .threads = 2}, samples); });
  for (auto& caller : callers) caller.join();
  for (const auto& mine : found) CHECK(mine == expected);
}

TEST_CASE("a sample that is not finite is named, whatever the number of threads") {
  auto values = noisy_batch(12, 8, 8, 0.1f, 3);
  const matrix<const float> samples(values.data(), {12, 192});
  values[5 * 192 + 17] = std::numeric_limits<float>::quiet_NaN();
  values[9 * 192] = std::numeric_limits<float>::infinity();
  for (const int threads : {1, 4}) {
    const fewstep::jpeg_compressibility judge{.threads = threads};
    CHECK_THROWS_WITH(judged(judge, samples), contains("value 17 of sample 5 is nan"));
    CHECK_THROWS_WITH(judged(judge, samples.subview(6, 6)), contains("value 0 of sample 3 is inf"));
    CHECK_THROWS_AS(judged(judge, samples), std::runtime_error);
  }
}

TEST_CASE("wrong shapes and settings of the JPEG reward are refused with a sentence") {
  const std::vector<float> values(2 * 6 * 3);
  const fewstep::jpeg_compressibility square;
  CHECK_THROWS_WITH(judged(square, {values.data(), {2, 18}}), contains("6 pixels, which is not a square"));
  CHECK_THROWS_WITH(judged(square, {values.data(), {4, 8}}), contains("8 values"));
  CHECK_THROWS_WITH(judged(fewstep::jpeg_compressibility{.height = 4}, {values.data(), {2, 18}}), contains("height 4"));
  CHECK_THROWS_WITH(judged(fewstep::jpeg_compressibility{.height = 7}, {values.data(), {2, 18}}), contains("height 7"));
  CHECK_THROWS_WITH(judged(fewstep::jpeg_compressibility{.quality = 101, .height = 2}, {values.data(), {2, 18}}),
                    contains("quality is 101"));
  CHECK_NOTHROW(judged(fewstep::jpeg_compressibility{.height = 2}, {values.data(), {2, 18}}));
  CHECK_NOTHROW(judged(square, {values.data(), {0, 18}}));

  const std::vector<int> contexts(3);
  std::vector<float> out(2);
  CHECK_THROWS_WITH(square(matrix<const float>(values.data(), {2, 3}), std::span<const int>(contexts), std::span(out)),
                    contains("3 contexts and room for 2"));
}
